# Two commands on a fresh machine with Python 3.11 or newer:
#   make demo    builds the demo pool and runs DataComp-1B's recipe on it
#   make test    checks the code and runs the tests
# and, for the other half of the benchmark,
#   make board   trains and evaluates two recipes on the demo pool, and builds a leaderboard
# All set up .venv on first use.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo board demo-table test check lint types recipes tests fuzz errors grammar parser bench clean

help:
	@sed -n '2,6p' Makefile | sed 's/^# *//'

demo: .venv/core
	$(BIN)/dcql run datacomp_1b --out runs/datacomp_1b

# Two recipes all the way: subset, shards, weights, evaluation, submission, and the site of a leaderboard.
board: .venv/runtime
	@for recipe in no_filter english_clip30; do \
	  echo "== $$recipe" && \
	  $(BIN)/dcql run $$recipe --pool demo --out runs/board/$$recipe && \
	  $(BIN)/dcql reshard runs/board/$$recipe && \
	  $(BIN)/dcql train runs/board/$$recipe --scale demo && \
	  $(BIN)/dcql eval runs/board/$$recipe && \
	  $(BIN)/dcql submit runs/board/$$recipe -o runs/submissions/$$recipe \
	    --name $$recipe --author "make board" --track filtering && \
	  $(BIN)/dcql submit check runs/submissions/$$recipe --shards demo \
	    --weights runs/board/$$recipe/train/demo-seed0/weights.safetensors || exit; \
	done
	$(BIN)/dcql leaderboard build runs/submissions -o runs/site
	@echo "open runs/site/index.html"

# Trains four recipes with three seeds each, two at a time; writes the table of README.md.
demo-table: .venv/runtime
	$(BIN)/python -m dcql.demo.accuracy --write README.md

test: check tests

check: lint types recipes

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy looks at folders, and knows nothing of package-dir: dcql as it is installed, runtime/ below dcql/.
types: .venv/dev
	@rm -rf build/types && mkdir -p build/types/dcql && ln -s $(CURDIR)/dcql/* $(CURDIR)/runtime build/types/dcql/
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml dcql

recipes: .venv/core
	$(BIN)/dcql fmt --check $(wildcard recipes/*.dcql recipes/*/*.dcql stdlib/*.dcql)

# The processes share the cores: threads of torch would wait for those of the others, and burn what they wait.
tests: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not gpu"

# All that reads bytes of strangers, guided by coverage: make fuzz MINUTES=5 JOBS=2. tests/fuzz/ has the short run.
MINUTES ?= 30
JOBS ?= 1
fuzz: .venv/dev
	$(INSTALL) -e '.[fuzz]'
	cd tests && $(CURDIR)/$(BIN)/python -m fuzz --minutes $(MINUTES) --jobs $(JOBS)

# What is generated and committed: the parser from its grammar, the list of errors from its tables, the colours of editors.
parser: .venv/dev
	$(BIN)/python -m dcql.syntax.build

errors: .venv/dev
	$(BIN)/python -m dcql.codes > docs/errors.md

grammar: .venv/dev
	$(BIN)/python -m dcql.syntax.textmate > editors/vscode/syntaxes/dcql.tmLanguage.json

bench: .venv/dev
	$(INSTALL) -e '.[bench]'
	@echo "Generate a pool and compare: see benchmarks/README.md"

clean:
	rm -rf .venv build dist *.egg-info runs .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/core: pyproject.toml constraints.txt
	@echo "Setting up .venv with dcql (a minute, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dcql needs Python 3.11 or newer: make PYTHON=python3.11 ..")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(INSTALL) -e .
	@touch $@

.venv/runtime: .venv/core
	@echo "Adding what training needs, torch among it (some minutes, once)"
	@$(INSTALL) -e '.[runtime]'
	@touch $@

.venv/dev: .venv/core
	@echo "Adding what the tests need, torch among it (some minutes, once)"
	@$(INSTALL) -e '.[dev,clip,runtime,safety]'
	@touch $@
