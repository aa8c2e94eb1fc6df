"""The grammar has no conflicts, its parser is the one that is committed, and every rule has its method."""

import importlib.util
import logging
import subprocess
import sys
from typing import Any

import lark
import pytest

from dcql.syntax import _standalone, vocabulary
from dcql.syntax.build import GRAMMAR, STANDALONE, generate
from dcql.syntax.page import page
from dcql.syntax.shapes import ShapeBuilder
from dcql.syntax.tree import TreeBuilder


def test_the_committed_parser_is_generated_from_the_grammar() -> None:
    assert generate() == STANDALONE.read_text(encoding="utf-8"), "run: python -m dcql.syntax.build"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_generation_does_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    code = "import hashlib; from dcql.syntax.build import *; print(hashlib.sha256(generate().encode()).hexdigest())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(GRAMMAR.parents[2])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", hash_seed)
    }  # fmt: skip
    assert len(found) == 1


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    # Strict mode also finds terminals that match the same text; it needs interegular.
    strict = importlib.util.find_spec("interegular") is not None
    with caplog.at_level(logging.DEBUG, logger=lark.logger.name):
        lark.Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer="contextual", strict=strict, debug=True)
    assert "conflict" not in caplog.text.lower()


def test_the_page_is_made_of_the_grammar() -> None:
    published = (GRAMMAR.parents[2] / "docs/grammar.md").read_text(encoding="utf-8")
    assert published == page(), "run: python -m dcql.syntax.page > docs/grammar.md"
    for rule in lark.Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr").rules:
        name = rule.origin.name.lstrip("_")
        assert name.startswith("_") or rule.origin.name.startswith("__") or f"\n{name} " in published, name


def test_every_rule_has_its_method() -> None:
    table: dict[int, dict[str, Any]] = _standalone.MEMO
    rules = {
        row["alias"] or row["origin"]["name"]
        for row in table.values()
        if row["__type__"] == "Rule"
        and not row["origin"]["name"].startswith("_")
        and not (row["options"]["expand1"] and len(row["expansion"]) == 1 and not row["alias"])
    }
    shared = {"begin", "span", "widened", "operands"}
    methods = {name for name in vars(TreeBuilder) if not name.startswith("_")} - shared
    assert rules == methods
    assert rules == {name for name in vars(ShapeBuilder) if not name.startswith("_")}


def test_reserved_words_are_those_of_the_grammar() -> None:
    line = next(line for line in GRAMMAR.read_text(encoding="utf-8").splitlines() if line.startswith("NAME:"))
    assert set(line.partition("(?!(?:")[2].partition(")")[0].split("|")) == vocabulary.RESERVED


def test_running_needs_neither_lark_nor_a_cache() -> None:
    code = (
        "import builtins, pickle, sys\n"
        "def refuse(*args, **kwargs): raise AssertionError('no file and no pickle')\n"
        "import dcql.syntax.parser as parser\n"
        "from dcql.source import Source\n"
        "builtins.open = pickle.dump = pickle.dumps = pickle.load = pickle.loads = refuse\n"
        "parser.parse(Source('x', 'SELECT uid FROM pool'))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'lark']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(GRAMMAR.parents[2])})
