"""Plans back to the text of a recipe: what is read back is the same plan.

DEFINEs are written out, PARAMs stand as their values. Names are as `names` says, for what the library calls otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from dcql.catalog.types import Schema, Type
from dcql.plan import nodes
from dcql.plan.explain import shortest
from dcql.syntax import ast

# How tightly a form binds, loosest first; what binds less than its place needs takes parentheses.
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _ATOM = range(7)
_OF = re.compile(r"\bOF\b", re.IGNORECASE)


@dataclass(frozen=True)
class Writer:
    """Writes expressions and relations. `names` gives the name that a recipe has for a column, where it is another."""

    names: Mapping[str, str] = field(default_factory=dict)

    def expression(self, expr: nodes.Expr) -> str:
        """Write an expression in one line."""
        return self._at(expr, _OR)

    def operand(self, expr: nodes.Expr) -> str:
        """Write an expression as one operand of an AND."""
        return self._at(expr, _NOT)

    def _at(self, expr: nodes.Expr, place: int) -> str:
        text, binds = self._written(expr)
        return text if binds >= place else f"({text})"

    def _written(self, expr: nodes.Expr) -> tuple[str, int]:
        match expr:
            case nodes.Column():
                return self.names.get(expr.name, expr.name), _ATOM
            case nodes.Length():
                return f"{expr.function}({self.names.get(expr.column, expr.column)})", _ATOM
            case nodes.TableColumn():
                return f"{expr.table.name}.{expr.name}", _ATOM
            case nodes.InTable():
                return join_text(expr), _OR
            case nodes.Feature():
                return expr.name, _ATOM
            case nodes.Literal():
                text = literal(expr)
                return (f"({text})" if text.startswith("-") else text), _ATOM
            case nodes.Convert():
                return self._written(expr.operand)
            case nodes.Arithmetic():
                # Operations of one kind go from left to right.
                left, right = (_SUM, _PRODUCT) if expr.op in ("+", "-") else (_PRODUCT, _ATOM)
                return f"{self._at(expr.left, left)} {expr.op} {self._at(expr.right, right)}", left
            case nodes.Compare():
                sides = self._side(expr.left, expr.right), self._side(expr.right, expr.left)
                return f" {expr.op} ".join(sides), _COMPARISON
            case nodes.Call():
                return f"{expr.name}({', '.join(map(self.expression, expr.arguments))})", _ATOM
            case nodes.Like():
                return f"{self._side(expr.subject)} LIKE {self._side(expr.pattern)}", _COMPARISON
            case nodes.IsNull():
                return f"{self._side(expr.operand)} IS NULL", _COMPARISON
            case nodes.Not(operand=nodes.IsNull(operand=inner)):
                return f"{self._side(inner)} IS NOT NULL", _COMPARISON
            case nodes.Not(operand=nodes.InSet() | nodes.InRelation() as inner):
                return self._membership(inner, "NOT IN"), _COMPARISON
            case nodes.Not():
                return f"NOT {self._at(expr.operand, _NOT)}", _NOT
            case nodes.And():
                return " AND ".join(self._at(operand, _NOT) for operand in expr.operands), _AND
            case nodes.Or():
                return " OR ".join(self._at(operand, _AND) for operand in expr.operands), _OR
            case nodes.Case():
                branches = "".join(
                    f" WHEN {self.expression(condition)} THEN {self.expression(value)}"
                    for condition, value in expr.branches
                )
                return f"CASE{branches} ELSE {self.expression(expr.default)} END", _ATOM
            case nodes.InSet() | nodes.InRelation():
                return self._membership(expr, "IN"), _COMPARISON
            case nodes.Quantile():
                return self.quantile(expr), _ATOM
            # No recipe says these; what `dcql why` tells of a SAMPLE does.
            case nodes.SampleHash():
                return f"the hash of SEED {seed_text(expr.seed)}", _ATOM
            case nodes.Priority():
                return f"{self._at(expr.weight, _PRODUCT)} / u of SEED {seed_text(expr.seed)}", _ATOM

    def _side(self, expr: nodes.Expr, other: nodes.Expr | None = None) -> str:
        """Write a side of a comparison: a negative constant needs no parentheses there, and a q may be bare."""
        if isinstance(expr, nodes.Quantile):
            return self.quantile(expr, other)
        return literal(expr) if isinstance(expr, nodes.Literal) else self._at(expr, _SUM)

    def _membership(self, expr: nodes.InSet | nodes.InRelation, word: str) -> str:
        if isinstance(expr, nodes.InSet):
            return f"{self._side(expr.subject)} {word} {expr.set.name}"
        match expr.relation:
            case nodes.PoolScan():
                return f"uid {word} pool"
            case nodes.Ref():
                return f"uid {word} {expr.relation.name}"
            case _:
                return f"uid {word} ({self.relation(expr.relation)})"

    def quantile(self, quantile: nodes.Quantile, beside: nodes.Expr | None = None) -> str:
        """Write an order statistic; over the pool it says so where its own text does.

        It is bare where what it ranks is `beside` it. A feature there may be asked of other samples: its name counts.
        """
        value = self.expression(quantile.expr)
        value = "" if beside is not None and self.expression(beside) == value else f", {value}"
        p = share(quantile.rank.p)
        if quantile.rank.datacomp:
            return f"q(1 - datacomp_fraction({p}){value} NULLS FIRST)" if value else f"datacomp_q({p})"
        population = " OF pool" if _OF.search(quantile.text) else ""
        if isinstance(quantile.population, nodes.Ref):
            population = f" OF {quantile.population.name}"
        by = f" BY {', '.join(map(self.expression, quantile.by))}" if quantile.by else ""
        nulls = " NULLS FIRST" if quantile.nulls_first else ""
        return f"q({p}{value}{population}{by}{nulls})"

    # --- relations ----------------------------------------------------------------------------------------------------

    def relation(self, rel: nodes.Rel) -> str:
        """Write a relation as a query."""
        match rel:
            case nodes.PoolScan() | nodes.Ref() | nodes.Filter() | nodes.Copies():
                return f"SELECT {self._selected(rel)}"
            case nodes.SetOperation():
                left = rel.left
                first = self._operand(left) if not isinstance(left, nodes.SetOperation) else f"({self.relation(left)})"
                return f"{first} {rel.op} {self._operand(rel.right)}"
            case nodes.DistinctOn():
                keys = ", ".join(map(self.expression, rel.keys))
                return f"SELECT DISTINCT ON ({keys}) {self._selected(rel.input)}{self._tail(rel.order)}"
            case nodes.Limit():
                tail = f" {self.limit(rel)}"
                if isinstance(rel.input, nodes.DistinctOn) and rel.input.order == rel.order:
                    return f"{self.relation(rel.input)}{tail}"
                return f"{self._before_tail(rel.input)}{self._tail(rel.order)}{tail}"
            case nodes.SampleShare() | nodes.SampleRows():
                distinct = isinstance(rel.input, nodes.DistinctOn)
                return f"{self.relation(rel.input) if distinct else self._before_tail(rel.input)} {self.sample(rel)}"

    def _before_tail(self, rel: nodes.Rel) -> str:
        """Write what a tail follows: what has a tail of its own is a query of its own."""
        tailed = isinstance(rel, nodes.DistinctOn | nodes.Limit | nodes.SampleShare | nodes.SampleRows)
        return f"SELECT uid FROM ({self.relation(rel)})" if tailed else self.relation(rel)

    def cut(self, rel: nodes.Limit | nodes.SampleRows) -> str:
        """Write what takes the first of an order, as its statistic is called."""
        return self.limit(rel) if isinstance(rel, nodes.Limit) else self.sample(rel)

    def sample(self, rel: nodes.SampleShare | nodes.SampleRows) -> str:
        """Write a SAMPLE."""
        if isinstance(rel, nodes.SampleShare):
            return f"SAMPLE {share(rel.percent)} PERCENT SEED {seed_text(rel.seed)}"
        weight = f" WEIGHT BY {self.expression(rel.weight)}" if rel.weight is not None else ""
        return f"SAMPLE {rel.count} ROWS SEED {seed_text(rel.seed)}{weight}"

    def limit(self, rel: nodes.Limit) -> str:
        """Write a LIMIT with its BY."""
        amount = str(rel.count) if rel.percent is None else f"{share(rel.percent)} PERCENT"
        by = f" BY {', '.join(map(self.expression, rel.by))}" if rel.by else ""
        return f"LIMIT {amount}{by}"

    def copies(self, rel: nodes.Copies) -> str:
        """Write what a SELECT says of copies."""
        return f"{self.expression(rel.expr)} AS copies"

    def _selected(self, rel: nodes.Rel) -> str:
        """Write what follows SELECT."""
        if isinstance(rel, nodes.Copies):
            return f"uid, {self.copies(rel)} FROM {self.source(rel.input)}"
        return f"uid FROM {self.source(rel)}"

    def source(self, rel: nodes.Rel) -> str:
        """Write what stands after FROM, with the WHERE of a filter."""
        match rel:
            case nodes.PoolScan():
                return "pool"
            case nodes.Ref():
                return rel.name
            case nodes.Filter(input=nodes.PoolScan() | nodes.Ref() as source):
                return f"{self.source(source)}{self._narrowed(rel.clauses)}"
            case nodes.Filter():
                return f"({self.relation(rel.input)}){self._narrowed(rel.clauses)}"
            case _:
                return f"({self.relation(rel)})"

    def _narrowed(self, clauses: Sequence[nodes.Clause]) -> str:
        """Write what narrows a relation: its JOINs, then its WHERE."""
        joins = "".join(f" {join_text(one.expr)}" for one in clauses if isinstance(one.expr, nodes.InTable))
        others = [one for one in clauses if not isinstance(one.expr, nodes.InTable)]
        return joins + (f" WHERE {self.clauses(others)}" if others else "")

    def clauses(self, clauses: Sequence[nodes.Clause]) -> str:
        """Write the clauses of a WHERE."""
        return " AND ".join(self.operand(clause.expr) for clause in clauses)

    def _operand(self, rel: nodes.Rel) -> str:
        text = self.relation(rel)
        return text if isinstance(rel, nodes.PoolScan | nodes.Ref | nodes.Filter | nodes.Copies) else f"({text})"

    def _tail(self, keys: Sequence[nodes.SortKey]) -> str:
        return f" ORDER BY {self.order(keys)}"

    def order(self, keys: Sequence[nodes.SortKey]) -> str:
        """Write the keys of an ORDER BY."""
        words = ((" DESC" if key.descending else "", " NULLS FIRST" if key.nulls_first else "") for key in keys)
        written = (self.expression(key.expr) + "".join(said) for key, said in zip(keys, words, strict=True))
        return ", ".join(written)


def seed_text(seed: str) -> str:
    """Write a seed: as a number where it is one."""
    if seed.isascii() and seed.isdecimal() and (seed == "0" or seed[0] != "0"):
        return seed
    return "'" + seed.replace("'", "''") + "'"


def join_text(join: nodes.InTable) -> str:
    """Write a JOIN."""
    return f"JOIN {join.table.name} USING ({join.table.key})"


def literal(value: nodes.Literal) -> str:
    """Write a constant so that it is the same value beside one of its type."""
    if value.value is None:
        return "NULL"
    match value.type:
        case Type.TEXT:
            return "'" + str(value.value).replace("'", "''") + "'"
        case Type.BOOL:
            return str(value.value).upper()
        case Type.FLOAT:
            return shortest(float(value.value))
        case Type.DOUBLE:
            return repr(float(value.value))
        case _:
            return str(value.value)


def share(value: Fraction) -> str:
    """Write an exact number: as a decimal where it is one."""
    for digits in range(19):
        if (value * 10**digits).denominator == 1:
            whole, rest = divmod(abs(value.numerator) * 10**digits // value.denominator, 10**digits)
            sign = "-" if value < 0 else ""
            return f"{sign}{whole}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{value.numerator} / {value.denominator}"


def short_names(recipe: ast.Recipe, library: Sequence[ast.Recipe], schema: Schema) -> dict[str, str]:
    """Return what a recipe calls the pool's columns where that is not their name: the library's short names.

    A short name that means something else in the recipe is left out; a column that shares its name with the library
    is written `pool.name`.
    """
    taken = {*schema.names(), *(one.name for one in (*recipe.definitions, *recipe.stages))}
    known = {one.name: one for part in library for one in part.definitions}
    names = {column: f"pool.{column}" for column in schema.names() if column in known}
    for name, one in known.items():
        if isinstance(one, ast.Define) and one.parameters is None and isinstance(one.body, ast.Name):
            column = one.body.text
            if name not in taken and schema.get(column) is not None:
                names.setdefault(column, name)
    return names
