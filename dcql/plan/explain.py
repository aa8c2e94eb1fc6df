"""A plan as indented text: the same plan always gives the same text, and another plan gives another."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from dcql.catalog.models import (
    AssetArgument,
    ColumnArgument,
    CoverageArgument,
    EmbeddingArgument,
    FeatureArgument,
    FeatureSpec,
    ImageArgument,
    ModelArgument,
    OptionArgument,
)
from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.effects import effect
from dcql.plan.statistics import Statistics, statistics

_INDENT = "  "
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def explain(plan: nodes.Plan) -> str:
    """Return the plan as text: PARAMs, stages, the query, statistics by the stage that computes them, promises."""
    lines = list(_Explaining(plan, statistics(plan)).plan_lines())
    return "\n".join(lines) + "\n"


@dataclass
class _Explaining:
    plan: nodes.Plan
    statistics: Statistics
    inner: dict[nodes.Rel, str] = field(default_factory=dict)

    def plan_lines(self) -> Iterator[str]:
        """Write the whole plan."""
        for name, value in self.plan.parameters:
            yield f"param {_name(name)} = {value}"
        yield from self._tables()
        for stage in self.plan.stages:
            yield f"{'samples' if stage.demand else 'stage'} {_name(stage.name)}"
            yield from self._rel(stage.relation, 1)
        yield "query"
        yield from self._rel(self.plan.query, 1)
        for level in range(1, self.statistics.stages + 1):
            yield f"statistics {level}"
            for node in self.statistics.stage(level):
                if isinstance(node, nodes.Quantile):
                    yield from self._quantile(node)
                elif isinstance(node, nodes.Feature):
                    yield f"{_INDENT}{self.statistics.names[node]} = feature {_name(node.name)} {self._asked(node)}"
                    for inner in node.spec.chain[:-1]:
                        yield f"{_INDENT * 2}which reads {_name(inner.name)} {_made(inner)}"
                else:
                    yield f"{_INDENT}{self.statistics.names[node]} = {self._head(node)}"
        yield from self._inner()
        for promise in self.plan.promises:
            low = _bound(promise.low, promise.low_percent)
            yield f"expect kept between {low} and {_bound(promise.high, promise.high_percent)}"
        yield f"effect {effect(self.plan).name.lower()}"

    def _tables(self) -> Iterator[str]:
        """Write the joined tables, each once."""
        relations = (*(stage.relation for stage in self.plan.stages), self.plan.query)
        every = (node for relation in relations for node in nodes.walk(relation))
        for table in dict.fromkeys(n.table for n in every if isinstance(n, nodes.TableColumn | nodes.InTable)):
            key = f"{_name(table.key)} {table.key_type.value}"
            yield f"table {_name(table.name)} by {key} sha256:{table.sha256[:12]}"

    # --- relations ----------------------------------------------------------------------------------------------------

    def _rel(self, rel: nodes.Rel, depth: int) -> Iterator[str]:
        """Write a relation: its own line, what it does, then what it reads, one step deeper."""
        indent = _INDENT * depth
        match rel:
            case nodes.PoolScan():
                yield f"{indent}pool"
            case nodes.Ref():
                yield f"{indent}stage {_name(rel.name)}"
            case nodes.Filter():
                yield f"{indent}filter"
                for clause in rel.clauses:
                    yield f"{indent}{_INDENT}where {self.expr(clause.expr)}"
                yield from self._rel(rel.input, depth + 1)
            case nodes.Copies():
                yield f"{indent}copies {self.expr(rel.expr)}{'' if rel.checked else ' or none'}"
                yield from self._rel(rel.input, depth + 1)
            case nodes.DistinctOn() | nodes.Limit():
                yield f"{indent}{self.statistics.names[rel]}: {self._head(rel)}"
                for key in rel.order:
                    yield f"{indent}{_INDENT}by {self._key(key)}"
                yield from self._rel(rel.input, depth + 1)
            case nodes.SampleShare():
                yield f"{indent}sample {rel.percent} percent seed '{_quoted(rel.seed)}'"
                yield from self._rel(rel.input, depth + 1)
            case nodes.SampleRows():
                yield f"{indent}{self.statistics.names[rel]}: {self._head(rel)}"
                if rel.weight is not None:
                    yield f"{indent}{_INDENT}weight {self.expr(rel.weight)}"
                yield from self._rel(rel.input, depth + 1)
            case nodes.SetOperation():
                yield f"{indent}{rel.op.lower()}"
                yield from self._operands(rel, depth + 1)

    def _operands(self, rel: nodes.SetOperation, depth: int) -> Iterator[str]:
        # A chain of one operation is as long as the recipe; it is written flat, and means left to right.
        rights: list[nodes.Rel] = []
        first: nodes.Rel = rel
        while isinstance(first, nodes.SetOperation) and first.op == rel.op:
            rights.append(first.right)
            first = first.left
        for operand in (first, *reversed(rights)):
            yield from self._rel(operand, depth)

    def _head(self, node: nodes.Limit | nodes.SampleRows | nodes.DistinctOn) -> str:
        if isinstance(node, nodes.SampleRows):
            return f"sample {node.count} rows seed '{_quoted(node.seed)}'"
        if isinstance(node, nodes.DistinctOn):
            return f"first of each ({', '.join(self.expr(key) for key in node.keys)})"
        amount = f"limit {node.count}" if node.count is not None else f"limit {node.percent} percent"
        return f"{amount} of each ({', '.join(self.expr(key) for key in node.by)})" if node.by else amount

    def _key(self, key: nodes.SortKey) -> str:
        direction = "desc" if key.descending else "asc"
        return f"{self.expr(key.expr)} {direction} nulls {'first' if key.nulls_first else 'last'}"

    def _quantile(self, node: nodes.Quantile) -> Iterator[str]:
        rank = f"datacomp_q({node.rank.p})" if node.rank.datacomp else f"q({node.rank.p})"
        nulls = " nulls first" if node.nulls_first else ""
        by = f" by {', '.join(self.expr(key) for key in node.by)}" if node.by else ""
        value = self.expr(node.expr)
        name = self.statistics.names[node]
        population = self._relation_name(node.population)
        yield f"{_INDENT}{name} {node.type.value} = {rank} of {value} over {population}{by}{nulls}"

    def _asked(self, node: nodes.Feature) -> str:
        over = self._relation_name(node.demand) if node.demand is not None else "nothing yet"
        return f"{_made(node.spec)} of {over}"

    def _relation_name(self, rel: nodes.Rel) -> str:
        """Name a relation in one word: a larger one gets a number and is written below."""
        match rel:
            case nodes.PoolScan():
                return "pool"
            case nodes.Ref():
                return f"stage {_name(rel.name)}"
            case _:
                return self.inner.setdefault(rel, f"relation {len(self.inner) + 1}")

    def _inner(self) -> Iterator[str]:
        """Write the relations that expressions name; one may name another."""
        written = 0
        while written < len(self.inner):
            rel, name = list(self.inner.items())[written]
            written += 1
            yield name
            yield from self._rel(rel, 1)

    # --- expressions --------------------------------------------------------------------------------------------------

    def expr(self, node: nodes.Expr) -> str:
        """Write an expression in one line."""
        match node:
            case nodes.Column():
                return _name(node.name)
            case nodes.TableColumn():
                return f"table {_name(node.table.name)}.{_name(node.name)}"
            case nodes.InTable():
                return f"(in table {_name(node.table.name)})"
            case nodes.Feature():
                return f"{self.statistics.names[node]}.{_name(node.name)}"
            case nodes.Literal():
                return literal(node)
            case nodes.Convert():
                return f"double({self.expr(node.operand)})"
            case nodes.Arithmetic() | nodes.Compare():
                return f"({self.expr(node.left)} {node.op} {self.expr(node.right)})"
            case nodes.Length():
                return f"kept {node.function}({_name(node.column)})"
            case nodes.Call():
                return f"{node.name}({', '.join(self.expr(argument) for argument in node.arguments)})"
            case nodes.Like():
                return f"({self.expr(node.subject)} like {self.expr(node.pattern)})"
            case nodes.IsNull():
                return f"({self.expr(node.operand)} is null)"
            case nodes.Not():
                return f"not {self.expr(node.operand)}"
            case nodes.And():
                return f"({' and '.join(self.expr(operand) for operand in node.operands)})"
            case nodes.Or():
                return f"({' or '.join(self.expr(operand) for operand in node.operands)})"
            case nodes.Case():
                branches = "".join(f" when {self.expr(a)} then {self.expr(b)}" for a, b in node.branches)
                return f"case{branches} else {self.expr(node.default)} end"
            case nodes.InSet():
                return f"({self.expr(node.subject)} in {_set(node.set)})"
            case nodes.InRelation():
                return f"(uid in {self._relation_name(node.relation)})"
            case nodes.Quantile():
                return f"${self.statistics.names[node]}"
            case nodes.SampleHash():
                return f"hash seed '{_quoted(node.seed)}'"
            case nodes.Priority():
                return f"({self.expr(node.weight)} / u seed '{_quoted(node.seed)}')"


def _made(spec: FeatureSpec) -> str:
    return f"{spec.output.text} = {spec.model.name}({', '.join(map(argument_text, spec.arguments))})"


def argument_text(argument: ModelArgument) -> str:
    """Write an argument of a model."""
    match argument:
        case ColumnArgument():
            return _name(argument.column)
        case EmbeddingArgument():
            return _name(argument.key)
        case FeatureArgument():
            return f"feature {_name(argument.feature.name)}"
        case ImageArgument():
            return "image"
        case CoverageArgument():
            return "coverage"
        case AssetArgument():
            return f"asset {_name(argument.asset.name)}"
        case OptionArgument():
            return f"{argument.parameter} = {argument.value!r}"


def literal(node: nodes.Literal) -> str:
    """Write a constant with its type; two different constants never look the same."""
    value = node.value
    if value is None:
        return f"{node.type.value} NULL"
    match node.type:
        case Type.TEXT:
            return f"'{_quoted(str(value))}'"
        case Type.BOOL:
            return str(value).upper()
        case Type.FLOAT:
            assert isinstance(value, int | float)
            return f"FLOAT {shortest(float(value))}"
        case Type.DOUBLE:
            return f"DOUBLE {float(value)!r}"
        case _:
            return str(value)


def shortest(value: float) -> str:
    """Return the shortest decimal that is this binary32."""
    packed = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == packed:
                return text
        except OverflowError:  # rounded up beyond the largest
            continue
    return repr(value)


def _set(named: nodes.NamedSet | nodes.AssetSet) -> str:
    if isinstance(named, nodes.AssetSet):
        return f"asset {_name(named.name)} of {named.type.value}"
    return f"set {_name(named.name)} of {named.type.value} sha256:{named.sha256[:12]}"


def _bound(value: Fraction, percent: bool) -> str:
    return f"{value} percent" if percent else str(value)


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + _escaped(name.replace('"', '""')) + '"'


def _quoted(text: str) -> str:
    return _escaped(text.replace("'", "''"))


def _escaped(text: str) -> str:
    """Keep text on one line, and any two different texts different."""
    shown = text.replace("\\", "\\\\")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
