"""L003, L004, L005: conditions that are always TRUE, never TRUE, or that follow from others.

Each is a part of a WHERE through AND and OR alone: under NOT or in a CASE, it also counts whether a condition is NULL
or FALSE. What a PARAM decides is left alone, for it is made to be changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from dcql.errors import Diagnostic, Fix
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted, told
from dcql.lints.removal import remove, remove_operand
from dcql.plan import nodes
from dcql.plan.comparison import comparison
from dcql.plan.demand import has_feature
from dcql.plan.implied import excludes, follows
from dcql.plan.truth import ANY, MAX_PAIRED, Truths, always_null, exclusive, truths
from dcql.source import Span
from dcql.syntax import ast


def conditions(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find conditions that decide nothing, or everything."""
    for node in linted.nodes():
        if isinstance(node, ast.Select) and node.where is not None:
            yield from _Where(linted, node).found()
        elif isinstance(node, ast.Define) and node.parameters is None:
            yield from _Conditions(linted).found(node.body, None)


@dataclass
class _Conditions:
    linted: Linted

    def found(self, node: ast.Expr, fix: Fix | None) -> Iterator[Diagnostic]:
        """Look at a condition and what it is made of; `fix` removes it where it is always TRUE."""
        meaning = self.linted.meaning(node)
        if meaning is None or not _is_condition(meaning):
            return
        fixed = self._without_params(node, meaning)
        values = truths(fixed) if fixed is not None else ANY
        # What is TRUE for one part of an OR is best told of the whole, which a fix can remove.
        if isinstance(node, ast.And) or (isinstance(node, ast.Or) and values != {True}):
            inside = [list(part) for part in self._operands(node)]
            if any(inside):
                yield from (diagnostic for part in inside for diagnostic in part)
                yield from self._repeated(node, {number for number, part in enumerate(inside) if part})
                return
        if self._is_told_elsewhere(node):
            return
        # Where a PARAM decides a part, the others may still decide the whole.
        whole = fixed == meaning
        if True not in values and (whole or isinstance(node, ast.And)):
            yield self._never(node, meaning)
        elif False not in values and (whole or (isinstance(node, ast.Or) and None not in values)):
            yield self._always(node, meaning, values, fix)
        elif isinstance(node, ast.And | ast.Or):
            yield from self._repeated(node, set())

    def _without_params(self, node: ast.Expr, meaning: nodes.Expr) -> nodes.Expr | None:
        """Return what a condition means without the parts that a PARAM decides, None where none is left."""
        if not self.linted.reads_param(node):
            return meaning
        if not isinstance(node, ast.And | ast.Or):
            return None
        parts = [self.linted.meaning(one) for one in node.operands if not self.linted.reads_param(one)]
        known = tuple(one for one in parts if one is not None)
        if not known:
            return None
        return nodes.And(known) if isinstance(node, ast.And) else nodes.Or(known)

    def _operands(self, node: ast.And | ast.Or) -> Iterator[Iterator[Diagnostic]]:
        for number, operand in enumerate(node.operands):
            fix = remove_operand(self.linted, node.operands, number) if isinstance(node, ast.And) else None
            yield self.found(operand, fix)

    def _is_told_elsewhere(self, node: ast.Expr) -> bool:
        """Return whether a condition is a DEFINE of the recipe, whose body is looked at."""
        declared = self.linted.declared.get(node.text) if isinstance(node, ast.Name) else None
        return isinstance(declared, ast.Define)

    def _always(self, node: ast.Expr, meaning: nodes.Expr, values: Truths, fix: Fix | None) -> Diagnostic:
        if None not in values:
            fix = fix if not has_feature(meaning) else None
            return _warning("L003", f"`{told(node)}` is always TRUE", node, "it keeps every sample", fix=fix)
        value = _subject(node, meaning)
        helps = (f"if that is meant, write `{value} IS NOT NULL`",) if value else ()
        label = f"it keeps every sample for which {f'`{value}`' if value else 'it'} is not NULL"
        return _warning("L003", f"`{told(node)}` is never FALSE", node, label, helps)

    def _never(self, node: ast.Expr, meaning: nodes.Expr) -> Diagnostic:
        message = f"`{told(node)}` is never TRUE"
        if isinstance(node, ast.And) and (pair := self._exclusive(node)) is not None:
            earlier, later = pair
            label = f"it excludes `{told(earlier)}`, and both are asked for"
            return _warning("L004", f"`{told(later)}` is never TRUE here", later, label)
        helps: tuple[str, ...] = ()
        label = "it keeps no sample"
        if isinstance(node, ast.Compare) and always_null(meaning):
            label = "a comparison with NULL is NULL, whatever the sample"
            sides = [side for side in (node.left, node.right) if not isinstance(side, ast.Null)]
            if len(sides) == 1 and node.op in ("=", "<>"):
                helps = (f"write `{told(sides[0])} IS {'NOT ' if node.op == '<>' else ''}NULL`",)
        elif isinstance(node, ast.Compare) and any(isinstance(one, nodes.Quantile) for one in nodes.children(meaning)):
            label = "no sample lies beyond the last of those that q ranks"
        elif isinstance(node, ast.InList) and node.negated and None in truths(meaning):
            label = "NOT IN a list with NULL is FALSE or NULL"
            helps = ("leave NULL out of the list",)
        elif isinstance(node, ast.Between) and not node.negated:
            label = "the lower bound is above the upper one"
            helps = ("swap them",)
        return _warning("L004", message, node, label, helps)

    def _exclusive(self, node: ast.And) -> tuple[ast.Expr, ast.Expr] | None:
        meanings = [
            self.linted.meaning(operand) if not self.linted.reads_param(operand) else None for operand in node.operands
        ]
        pair = exclusive(tuple(one if one is not None else nodes.TRUE for one in meanings))
        return (node.operands[pair[0]], node.operands[pair[1]]) if pair is not None else None

    def _repeated(self, node: ast.And | ast.Or, gone: set[int]) -> Iterator[Diagnostic]:
        """Find operands without which the condition is TRUE for the same samples; those in `gone` do not count."""
        if len(node.operands) > MAX_PAIRED:
            return
        parts = [_Part(one, self._changeless(one)) for one in node.operands]
        for number, operand in enumerate(node.operands):
            for other, beside in enumerate(node.operands):
                if number in gone or other == number or other in gone:
                    continue
                if not _needless(node, parts[number], parts[other], is_later=number > other):
                    continue
                gone.add(number)
                fix = remove_operand(self.linted, node.operands, number)
                yield self._implied(node, operand, beside, fix)
                break

    def _changeless(self, node: ast.Expr) -> nodes.Expr | None:
        """Return what a condition means, None where a PARAM decides that."""
        return self.linted.meaning(node) if not self.linted.reads_param(node) else None

    def _implied(self, node: ast.And | ast.Or, operand: ast.Expr, beside: ast.Expr, fix: Fix | None) -> Diagnostic:
        # Beside one that asks a model, a condition says of which samples it is asked.
        meanings = [self.linted.meaning(one) for one in (operand, beside)]
        fix = fix if not any(one is None or has_feature(one) for one in meanings) else None
        if operand == beside:
            return _warning(
                "L005", f"`{told(operand)}` is asked for twice", operand, "the same stands before it", fix=fix
            )
        if isinstance(node, ast.And):
            label = f"it follows from `{told(beside)}`"
            return _warning("L005", f"`{told(operand)}` drops nothing", operand, label, fix=fix)
        label = f"`{told(beside)}` holds wherever it does"
        return _warning("L005", f"`{told(operand)}` adds nothing", operand, label, fix=fix)


class _Where(_Conditions):
    """The conditions of a SELECT, beside those of what it selects from."""

    def __init__(self, linted: Linted, select: ast.Select) -> None:
        super().__init__(linted)
        self._select = select

    def found(self, node: ast.Expr | None = None, fix: Fix | None = None) -> Iterator[Diagnostic]:
        """Look at the whole WHERE, or at a part of it."""
        if node is not None:
            yield from super().found(node, fix)
            return
        where = self._select.where
        assert where is not None
        [*_, keyword] = self.linted.between(self._select.relation.span.end, where.span.start)
        inside = list(super().found(where, remove(self.linted, keyword, where.span)))
        yield from inside
        yield from self._beyond(where, {diagnostic.span for diagnostic in inside})

    def _beyond(self, where: ast.Expr, already: set[Span | None]) -> Iterator[Diagnostic]:
        """Find conditions that those of a stage decide, out of which the SELECT reads; but for those told already."""
        operands = where.operands if isinstance(where, ast.And) else (where,)
        known = list(self._known())
        if len(operands) * len(known) > MAX_PAIRED**2:
            return
        for number, operand in enumerate(operands):
            meaning = self.linted.meaning(operand)
            if meaning is None or operand.span in already or self.linted.reads_param(operand):
                continue
            for clause in known:
                label = f"`{told_clause(clause)}` holds for all that the SELECT reads"
                if excludes(meaning, clause.expr):
                    yield _warning("L004", f"`{told(operand)}` is never TRUE here", operand, label)
                elif follows(meaning, clause.expr) and not _tests_null(meaning):
                    fix = self._removal(where, number) if not has_feature(meaning) else None
                    yield _warning("L005", f"`{told(operand)}` drops nothing", operand, label, fix=fix)
                else:
                    continue
                break

    def _removal(self, where: ast.Expr, number: int) -> Fix | None:
        if isinstance(where, ast.And):
            return remove_operand(self.linted, where.operands, number)
        [*_, keyword] = self.linted.between(self._select.relation.span.end, where.span.start)
        return remove(self.linted, keyword, where.span)

    def _known(self) -> Iterator[nodes.Clause]:
        """Yield what holds for every sample that the SELECT reads, but for what a PARAM of the recipe decides."""
        for rel in self.linted.meanings.of(self._select):
            for one in self.linted.above(rel):  # type: ignore[arg-type]
                for clause in getattr(one, "clauses", ()):
                    if not self._is_own(clause) and not self._is_changeable(clause):
                        yield clause

    def _is_own(self, clause: nodes.Clause) -> bool:
        where, span = self._select.where, clause.span
        return where is None or (span is not None and where.span.start <= span.start < where.span.end)

    def _is_changeable(self, clause: nodes.Clause) -> bool:
        span = clause.span
        if span is None or span.source is not self.linted.source:
            return True  # of an imported recipe, whose PARAMs WITH sets
        return any(map(self.linted.reads_param, self.linted.places.get((span.start, span.end), ())))


@dataclass(frozen=True)
class _Part:
    """One operand of an AND or OR, and what it means; None where a PARAM decides that."""

    node: ast.Expr
    meaning: nodes.Expr | None

    @cached_property
    def tests_null(self) -> bool:
        """Whether it asks if something is NULL."""
        return self.meaning is not None and _tests_null(self.meaning)


def _needless(node: ast.And | ast.Or, operand: _Part, beside: _Part, *, is_later: bool) -> bool:
    """Return whether an operand may go where another stays; of two that are the same, the later may."""
    if operand.node == beside.node:
        return is_later
    one, other = operand.meaning, beside.meaning
    if one is None or other is None:
        return False
    # To say that NULL is dropped is good style; and under NOT, in a DEFINE, it is not the same as not to say it.
    if one == other or operand.tests_null:
        return is_later and one == other
    return follows(one, other) if isinstance(node, ast.And) else follows(other, one)


def told_clause(clause: nodes.Clause) -> str:
    """Return a clause's words for a message."""
    return clause.text if len(clause.text) <= 40 else clause.text[:37] + "..."


def _subject(node: ast.Expr, meaning: nodes.Expr) -> str:
    """Return the words of what a condition tests, nothing for a condition of another form."""
    if isinstance(node, ast.Compare):
        compared = comparison(meaning)
        return told(node.right if compared is not None and not compared.on_right else node.left)
    subject = getattr(node, "subject", None)
    return told(subject) if isinstance(subject, ast.Node) else ""


def _tests_null(meaning: nodes.Expr) -> bool:
    return any(isinstance(part, nodes.IsNull) for part in nodes.walk(meaning))


def _is_condition(meaning: nodes.Expr) -> bool:
    return meaning.type is nodes.TRUE.type


def _warning(
    code: str, message: str, node: ast.Node, label: str, helps: tuple[str, ...] = (), fix: Fix | None = None
) -> Diagnostic:
    found = Diagnostic(code, message, node.span, label, helps, severity="warning")
    return replace(found, fix=fix) if fix is not None else found
