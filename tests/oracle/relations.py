"""One recipe file: names, stages and the final query, checked first and run after (SEMANTICS §§1, 3)."""

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction

from . import tree
from .errors import OracleError
from .evaluate import BUILT_IN_NAMES, FUNCTIONS, MODEL_COLUMNS, NO_ARGUMENTS, Evaluator, Place
from .hash import MAX_COPIES, read_npy
from .parser import conjuncts, parse, parse_constant
from .quantile import Threshold
from .tables import Joined, tables_of
from .tail import Bag, Draw, bounded, combine, first_of_each, limited, ranked_by
from .types import NUMERIC, Sample, Typed, Value, convert_number

Files = Mapping[str, bytes | str]


@dataclass(frozen=True, slots=True)
class Relation:
    """A checked query: run it for its bag. Seeds are those it is already sampled with."""

    run: Callable[[], Bag]
    seeds: frozenset[str] = frozenset()


@dataclass
class Block:
    """One SELECT and, once run, its distinct samples: entering, then after each top-level AND conjunct.

    `entered` are the samples of its FROM, `tests` the conjuncts; `written` are these whether or not it was run.
    """

    name: str
    counts: list[int] = field(default_factory=list)
    entered: set[bytes] = field(default_factory=set)
    tests: list[Typed] = field(default_factory=list)
    written: list[Typed] = field(default_factory=list)


def walk(node: object) -> Iterator[object]:
    """Yield every syntax node under this one, itself included."""
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part)
    elif is_dataclass(node):
        yield node
        for part in fields(node):
            yield from walk(getattr(node, part.name))


class Program:
    """A checked recipe over a pool. Making one raises E01 .. E04; run() may raise E06 and E07."""

    def __init__(
        self,
        text: str,
        pool: tuple[dict[str, str], dict[bytes, Sample]],
        *,
        path: str = "recipe.dcql",
        overrides: Mapping[str, Typed] | None = None,
        files: Files | None = None,
        importing: tuple[str, ...] = (),
    ) -> None:
        self.columns, self.samples = pool
        self.path, self.files = path, {posixpath.normpath(name): data for name, data in (files or {}).items()}
        self.importing = (*importing, path)
        self.recipe = parse(text)
        self.params: dict[str, Typed] = {}
        self.defines = {define.name: define for define in self.recipe.defines}
        self.sets = {set_.name: set_ for set_ in self.recipe.sets}
        self.needs_model = False
        self.thresholds: list[Threshold] = []
        self.blocks: list[Block] = []
        self.draws: list[list[int]] = []  # of each SAMPLE .. PERCENT: the samples before and after it
        self.bags: dict[str, Bag] = {}  # of stages and imported recipes, once computed
        self.relations: dict[str, Relation] = {}
        self.queried: list[Relation] = []  # what stands after IN
        self.evaluator = Evaluator(self)
        self.joined = Joined(tables_of(self.recipe, self.columns, self.data))
        self.check_names()
        self.read_params(overrides or {})
        for set_ in self.recipe.sets:
            self.inner_path(set_.path)
        for import_ in self.recipe.imports:
            self.relations[import_.name] = self.import_recipe(import_)
        self.check_defines()
        self.stage_names: tuple[str, ...] = ()
        for name, query in self.recipe.final.stages:
            self.relations[name] = self.named_blocks(name, query)
            self.stage_names += (name,)
        self.final = self.named_blocks("query", self.recipe.final.query)
        self.expects = [self.expect(expect) for expect in self.recipe.final.expects]

    # ------------------------------------------------------------ names

    def check_names(self) -> None:
        """Names are unique across columns, statements, stages and `pool`; they hide the library's. Raises E02."""
        taken = {"pool"} | set(self.columns)
        recipe = self.recipe
        for table in recipe.tables:
            if table.name in taken:
                raise OracleError("E02", f"the name {table.name} is taken")
            taken.add(table.name)
        for table in self.joined.tables.values():
            taken |= set(table.columns)
        names = [define.name for define in recipe.defines] + [param.name for param in recipe.params]
        names += [import_.name for import_ in recipe.imports] + [set_.name for set_ in recipe.sets]
        for name in names + [name for name, _ in recipe.final.stages]:
            if name in taken:
                raise OracleError("E02", f"the name {name} is taken")
            taken.add(name)
        self.not_values = {set_.name for set_ in recipe.sets} | {import_.name for import_ in recipe.imports}
        self.not_values |= {name for name, _ in recipe.final.stages} | {table.name for table in recipe.tables}
        for define in recipe.defines:
            if len(set(define.arguments or ())) != len(define.arguments or ()):
                raise OracleError("E02", f"two arguments of {define.name} have one name")

    def check_defines(self) -> None:
        """Resolve the names in every DEFINE, used or not, and refuse circles; raises E02."""
        uses: dict[str, set[str]] = {}
        for define in self.recipe.defines:
            known = set(self.columns) | {f"pool.{name}" for name in self.columns}
            known |= set(BUILT_IN_NAMES) | set(MODEL_COLUMNS) | set(self.params)
            known |= set(self.defines) | set(define.arguments or ())
            for table in self.joined.tables.values():
                known |= set(table.columns) | {f"{table.name}.{name}" for name in table.columns}
            uses[define.name] = set()
            for node in walk(define.body):
                if isinstance(node, tree.Name) and node.name not in known:
                    raise OracleError("E02", f"no column, DEFINE or PARAM is named {node.name}")
                if isinstance(node, tree.Call) and node.name not in FUNCTIONS | set(self.defines):
                    raise OracleError("E02", f"no function or DEFINE is named {node.name}")
                if isinstance(node, tree.Name | tree.Call) and node.name not in (define.arguments or ()):
                    uses[define.name] |= {node.name} & set(self.defines)
        while uses:
            leaves = [name for name, needed in uses.items() if not needed & set(uses)]
            if not leaves:
                raise OracleError("E02", "DEFINEs refer to each other in a circle")
            for name in leaves:
                del uses[name]

    def read_params(self, overrides: Mapping[str, Typed]) -> None:
        """Evaluate the PARAMs in text order; an override has the default's kind; raises E02, E03."""
        for name in overrides:
            if name not in {param.name for param in self.recipe.params}:
                raise OracleError("E02", f"no PARAM is named {name}")
        for param in self.recipe.params:
            default = self.constant(param.default, f"the default of {param.name}")
            value = overrides.get(param.name, default)
            if value.type != default.type:
                raise OracleError("E03", f"{param.name} is {default.type}, not {value.type}")
            self.params[param.name] = value

    def constant(self, expr: tree.Expr, what: str) -> Typed:
        result = self.evaluator.typed(expr, NO_ARGUMENTS, Place())
        if not result.constant or result.value is None:
            raise OracleError("E03", f"{what} is a constant over literals and PARAMs")
        return result

    def inner_path(self, path: str) -> str:
        """Resolve a path against this file's folder; it stays inside the root recipe's; raises E02."""
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), path))
        if path.startswith("/") or resolved.startswith(".."):
            raise OracleError("E02", f"{path} leaves the recipe's folder")
        return resolved

    def import_recipe(self, import_: tree.Import) -> Relation:
        path = self.inner_path(import_.path)
        if path in self.importing:
            raise OracleError("E02", f"{path} imports itself")
        if path not in self.files:
            raise OracleError("E02", f"there is no recipe {path}")
        data = self.files[path]
        values = {name: self.constant(value, f"the value of {name}") for name, value in import_.values}
        if len(values) < len(import_.values):
            raise OracleError("E02", "a parameter is given twice")
        inner = Program(
            data if isinstance(data, str) else data.decode(),
            (self.columns, self.samples),
            path=path,
            overrides=values,
            files=self.files,
            importing=self.importing,
        )
        self.needs_model |= inner.needs_model
        return Relation(inner.kept, inner.final.seeds)

    # ------------------------------------------------------------ what expressions ask for

    def relation(self, name: str, place: Place) -> Relation:
        """Find the pool, a stage above, or an imported recipe; raises E02."""
        if name == "pool":
            return Relation(lambda: dict.fromkeys(self.samples, 1))
        if name in self.relations and (name in place.stages or name in {i.name for i in self.recipe.imports}):
            return Relation(lambda: self.bag(name), self.relations[name].seeds)
        raise OracleError("E02", f"no stage above and no recipe is named {name}")

    def bag(self, name: str) -> Bag:
        if name not in self.bags:
            self.bags[name] = self.relations[name].run()
        return self.bags[name]

    def population(self, name: str, place: Place) -> Callable[[], list[Sample]]:
        run = self.relation(name, place).run
        return lambda: [self.samples[uid] for uid in run()]

    def subquery(self, query: tree.Query, place: Place) -> Callable[[], set[bytes]]:
        relation = self.query(query, place.stages)
        self.queried.append(relation)
        return lambda: set(relation.run())

    def record(self, threshold: Threshold) -> None:
        self.thresholds.append(threshold)

    def members(self, name: str, place: Place, subject: Typed) -> Callable[[], set[Value]]:
        """What `x IN name` tests against: a set's values, or a relation's uids."""
        if name in self.sets:
            set_ = self.sets[name]
            is_uids = set_.path.endswith(".npy")
            if is_uids and not subject.is_uid:
                raise OracleError("E03", f"{name} is a set of uids: only uid may be tested against it")
            if subject.type == "BOOL":
                raise OracleError("E03", "no set holds BOOL")
            return lambda: set(self.set_values(set_, subject))
        run = self.relation(name, place).run
        if not subject.is_uid:
            raise OracleError("E03", f"{name} is a relation: only uid may be tested against it")
        return lambda: {uid.hex() for uid in run()}

    def data(self, named: str) -> bytes:
        """Read a file that the recipe names; raises E02, E07."""
        path = self.inner_path(named)
        if path not in self.files:
            raise OracleError("E07", f"there is no file {path}")
        data = self.files[path]
        return data.encode() if isinstance(data, str) else data

    def set_data(self, set_: tree.SetFile) -> bytes:
        """Read a set's file and check its digest; raises E07."""
        data = self.data(set_.path)
        if hashlib.sha256(data).hexdigest() != set_.sha256:
            raise OracleError("E07", f"{set_.path} has another SHA256")
        return data

    def set_values(self, set_: tree.SetFile, subject: Typed) -> Iterator[Value]:
        """Yield a set's values in the type of what is tested; raises E07."""
        data = self.set_data(set_)
        if set_.path.endswith(".npy"):
            yield from (uid.hex() for uid in read_npy(data))
            return
        try:
            lines = data.decode("utf-8-sig").split("\n")
        except UnicodeDecodeError:
            raise OracleError("E07", f"{set_.path} is not UTF-8") from None
        for line in lines:
            value = line.strip(" \t\r")
            if not value:
                continue
            if subject.is_uid:
                if not re.fullmatch("[0-9a-f]{1,32}", value):
                    raise OracleError("E07", f"{value!r} in {set_.path} is not a uid")
                yield value.zfill(32)
            elif subject.type not in NUMERIC:
                yield value
            elif not re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", value):
                raise OracleError("E07", f"{value!r} in {set_.path} is not a number")
            else:
                number = Fraction(value)
                as_double = subject.type == "INT" and number.denominator != 1
                try:
                    exact = subject.type == "NUMBER" or as_double
                    yield number if exact else convert_number(number, subject.type)
                except OracleError as error:
                    raise OracleError("E07", error.message) from None

    # ------------------------------------------------------------ queries

    def named_blocks(self, name: str, query: tree.Query) -> Relation:
        """Check a stage or the final query, and name its SELECTs in text order: name, or name.1, name.2 .."""
        first = len(self.blocks)
        relation = self.query(query, self.stage_names)
        own = self.blocks[first:]
        for number, block in enumerate(own, start=1):
            block.name = name if len(own) == 1 else f"{name}.{number}"
        return relation

    def query(self, query: tree.Query, stages: tuple[str, ...]) -> Relation:
        body = query.body
        plain = not (query.order or query.limit or query.sampling)
        if isinstance(body, tree.Query) and plain:
            return self.query(body, stages)
        place = Place(stages, bare_q=isinstance(body, tree.Select) and body.source == "pool")
        if isinstance(body, tree.Select) and body.distinct_on:
            if not query.order:
                raise OracleError("E04", "DISTINCT ON without an ORDER BY of its own")
            relation, distinct_on = self.select(body, stages)
        else:
            relation, distinct_on = self.body(body, stages), []
        order = [(self.order_key(key, place), key.descending, key.nulls_first) for key in query.order]
        if query.limit and not order:
            raise OracleError("E04", "LIMIT without ORDER BY")
        limit = self.amount(query.limit.amount) if query.limit else (Fraction(0), False)
        limit_by = [self.evaluator.typed(key, NO_ARGUMENTS, place) for key in query.limit.by] if query.limit else []
        seeds = relation.seeds
        draw, samples = None, self.samples
        if query.sampling:
            draw = self.draw(query.sampling, place)
            if draw.seed in seeds:
                raise OracleError("E04", f"already sampled with the seed {draw.seed}")
            seeds |= {draw.seed}
        counted: list[int] = []
        if draw is not None and draw.percent:
            self.draws.append(counted)

        def run() -> Bag:
            bag = relation.run()
            ranked = ranked_by(order, bag, samples)
            if distinct_on:
                ranked = first_of_each(ranked, distinct_on, samples)
            if query.limit:
                ranked = limited(ranked, limit, limit_by, samples)
            if draw is not None:
                before, ranked = len(ranked), draw.drawn(ranked, samples)
                counted[:] = [before, len(ranked)]
            return {uid: bag[uid] for uid in ranked}

        return Relation(run, seeds)

    def body(self, body: tree.Body, stages: tuple[str, ...]) -> Relation:
        if isinstance(body, tree.Query):
            return self.query(body, stages)
        if isinstance(body, tree.SetOperation):
            left, right = self.body(body.left, stages), self.body(body.right, stages)
            operator = body.operator
            return Relation(lambda: combine(operator, left.run(), right.run()), left.seeds | right.seeds)
        if body.distinct_on:
            raise OracleError("E04", "DISTINCT ON without an ORDER BY of its own")
        return self.select(body, stages)[0]

    def select(self, select: tree.Select, stages: tuple[str, ...]) -> tuple[Relation, list[Typed]]:
        """Check one SELECT; return its relation before DISTINCT ON, and the keys of that."""
        block = Block("")
        self.blocks.append(block)
        place = Place(stages, bare_q=select.source == "pool")
        keys = [self.evaluator.key(key, NO_ARGUMENTS, place) for key in select.distinct_on]
        copies = None if select.copies is None else self.evaluator.typed(select.copies, NO_ARGUMENTS, place)
        if copies is not None and copies.type not in NUMERIC:
            raise OracleError("E03", f"copies is a number, not {copies.type}")
        if copies is not None and copies.constant:
            value = copies.value
            if not isinstance(value, Fraction) or not 0 <= value <= MAX_COPIES or value.denominator != 1:
                raise OracleError("E03", f"no sample can have {value} copies")
        if isinstance(select.source, str):
            source = self.relation(select.source, Place(stages))
        else:
            source = self.query(select.source, stages)
        tests = self.joins(select)
        tests += [self.evaluator.boolean(part, NO_ARGUMENTS, place) for part in conjuncts(select.where)]
        block.written = tests

        def run() -> Bag:
            bag = source.run()
            block.counts, block.entered, block.tests = [len(bag)], set(bag), tests
            for test in tests:
                bag = {uid: count for uid, count in bag.items() if test.of(self.samples[uid]) is True}
                block.counts.append(len(bag))
            if copies is None:
                return bag
            multiplied = {uid: count * self.copies_of(copies, uid) for uid, count in bag.items()}
            return bounded({uid: count for uid, count in multiplied.items() if count})

        return Relation(run, source.seeds), keys

    def joins(self, select: tree.Select) -> list[Typed]:
        """What the JOINs of a SELECT ask of a sample: a LEFT JOIN nothing; raises E02."""
        names = [join.table for join in select.joins]
        if len(set(names)) < len(names):
            raise OracleError("E02", "a FROM joins a table twice")
        inner = [join.table for join in select.joins if not join.left]

        def has(table: str) -> Typed:
            return Typed("BOOL", lambda sample: self.joined.row(table, sample) is not None)

        return [has(table) for table in inner]

    def copies_of(self, copies: Typed, uid: bytes) -> int:
        value = copies.of(self.samples[uid])
        if value is None or isinstance(value, str) or not 0 <= value <= MAX_COPIES or value != int(value):
            raise OracleError("E07", f"{uid.hex()} would have {value} copies")
        return int(value)

    # ------------------------------------------------------------ the tail

    def order_key(self, key: tree.OrderKey, place: Place) -> Typed:
        typed = self.evaluator.key(key.key, NO_ARGUMENTS, place)
        if typed.type == "BOOL":
            raise OracleError("E03", "BOOL has no order")
        return typed

    def amount(self, amount: tree.Amount) -> tuple[Fraction, bool]:
        """Evaluate a count (whole, >= 0) or a percentage (0 .. 100); raises E03."""
        value = self.constant(amount.value, "a count").value
        if not isinstance(value, Fraction) or value < 0:
            raise OracleError("E03", "a count is a number, 0 or more")
        if value > 100 if amount.percent else value.denominator != 1:
            raise OracleError("E03", "a count is whole, a percentage 0 to 100")
        return value, amount.percent

    def draw(self, sampling: tree.Sampling, place: Place) -> Draw:
        value, percent = self.amount(sampling.amount)
        weight = None
        if sampling.weight is not None:
            weight = self.evaluator.typed(sampling.weight, NO_ARGUMENTS, place)
            if weight.type not in NUMERIC:
                raise OracleError("E03", f"a weight is a number, not {weight.type}")
        seed = self.constant(sampling.seed, "a seed").value
        if isinstance(seed, Fraction) and seed.denominator == 1 and seed >= 0:
            seed = str(seed.numerator)
        if not isinstance(seed, str):
            raise OracleError("E03", "a seed is text, or a whole number that stands for its digits")
        return Draw(value, percent, seed, weight)

    # ------------------------------------------------------------ running

    def expect(self, expect: tree.Expect) -> Callable[[int], None]:
        size = len(self.samples)
        bounds = [self.amount(expect.low), self.amount(expect.high)]
        if bounds[0][1] == bounds[1][1] and bounds[0][0] > bounds[1][0]:
            raise OracleError("E03", "EXPECT can never hold")
        low, high = (value * size / 100 if percent else value for value, percent in bounds)

        def check(kept: int) -> None:
            if not low <= kept <= high:
                raise OracleError("E07", f"{kept} samples are kept, not {low} to {high}")

        return check

    def run(self) -> Bag:
        """Compute the subset of the recipe that is run, whose EXPECTs bind; raises E06 when a model is needed, E07."""
        bag = self.kept()
        for check in self.expects:
            check(len(bag))
        return bag

    def kept(self) -> Bag:
        """Compute the subset, as an import does; raises E06, E07."""
        if self.needs_model:
            raise OracleError("E06", "lang, image_cluster and imagenet_centroids need a model")
        for set_ in self.recipe.sets:
            self.set_data(set_)
        self.joined.check()
        for name in self.relations:
            self.bag(name)
        # Copies are what they may be in all that a recipe reads, whatever else decides.
        for relation in self.queried:
            relation.run()
        return self.final.run()


def outside_params(
    params: Mapping[str, str], columns: dict[str, str], samples: dict[bytes, Sample]
) -> dict[str, Typed]:
    """Read the parameters given from outside: numbers, 'texts', TRUE or FALSE; raises E01, E03."""
    if not params:
        return {}
    nowhere = Program("SELECT uid FROM pool", (columns, samples))
    return {name: nowhere.constant(parse_constant(text), name) for name, text in params.items()}
