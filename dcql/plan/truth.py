"""Which truth values a condition can have at all, whatever the pool, as far as its form says."""

from collections.abc import Iterator

from dcql.plan import nodes
from dcql.plan.comparison import Comparison, comparison
from dcql.plan.implied import excludes

Truths = frozenset[bool | None]

ANY: Truths = frozenset({True, False, None})
MAX_PAIRED = 100  # conditions that are compared with each other: it takes the square of their number

_NEVER_NEGATIVE = ("abs", "code_points", "fasttext_words", "python_words")


def truths(expr: nodes.Expr) -> Truths:
    """Return the values that a condition may have; it has none beside them, but may lack some of them."""
    match expr:
        case nodes.Literal(value=bool() | None as value):
            return frozenset({value})
        case nodes.Not():
            return frozenset(None if value is None else not value for value in truths(expr.operand))
        case nodes.And():
            return _all(expr.operands)
        case nodes.Or():
            return _any(expr.operands)
        case nodes.IsNull():
            if always_null(expr.operand):
                return frozenset({True})
            return frozenset({False}) if never_null(expr.operand) else frozenset({True, False})
        case nodes.Compare():
            return _compared(expr)
        case nodes.Like(pattern=nodes.Literal(value=str() as pattern)) if pattern and not pattern.strip("%"):
            return frozenset({True, None})
        case nodes.InRelation():
            everything = isinstance(expr.relation, nodes.PoolScan)
            return frozenset({True}) if everything else frozenset({True, False})
        case _:
            return ANY


def always_null(expr: nodes.Expr) -> bool:
    """Return whether an expression is NULL for every sample."""
    match expr:
        case nodes.Literal():
            return expr.value is None
        case nodes.Convert():
            return always_null(expr.operand)
        case nodes.Arithmetic() | nodes.Compare():
            return always_null(expr.left) or always_null(expr.right)
        case nodes.Not():
            return always_null(expr.operand)
        case _:
            return False


def never_null(expr: nodes.Expr) -> bool:
    """Return whether an expression has a value for every sample, as far as its form says."""
    match expr:
        case nodes.Literal():
            return expr.value is not None
        case nodes.Convert():
            return never_null(expr.operand)
        case nodes.Call(name="coalesce"):
            return any(map(never_null, expr.arguments))
        case nodes.IsNull() | nodes.InRelation():
            return True
        case _:
            return False


def exclusive(conditions: tuple[nodes.Expr, ...]) -> tuple[int, int] | None:
    """Return the positions of two conditions that are TRUE for no sample both, the first such pair."""
    if len(conditions) > MAX_PAIRED:
        return None
    for later, one in enumerate(conditions):
        for earlier in range(later):
            if excludes(one, conditions[earlier]):
                return earlier, later
    return None


def _all(operands: tuple[nodes.Expr, ...]) -> Truths:
    found: set[bool | None] = {True}
    for values in map(truths, operands):
        found = {_and(one, value) for one in found for value in values}
    if True in found and exclusive(tuple(_parts(operands))) is not None:
        found.discard(True)
    return frozenset(found)


def _any(operands: tuple[nodes.Expr, ...]) -> Truths:
    found: set[bool | None] = {False}
    for values in map(truths, operands):
        found = {_or(one, value) for one in found for value in values}
    negated = {one.operand for one in operands if isinstance(one, nodes.Not)}
    if not negated.isdisjoint(operands):
        found.discard(False)
        if any(one in negated and None not in truths(one) for one in operands):
            return frozenset({True})
    return frozenset(found)


def _parts(operands: tuple[nodes.Expr, ...]) -> Iterator[nodes.Expr]:
    for one in operands:
        if isinstance(one, nodes.And):
            yield from _parts(one.operands)
        else:
            yield one


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: bool | None, other: bool | None) -> bool | None:
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


def _compared(expr: nodes.Compare) -> Truths:
    if always_null(expr):
        return frozenset({None})
    found: set[bool | None] = {True, False}
    if not (never_null(expr.left) and never_null(expr.right)):
        found.add(None)
    if expr.left == expr.right:
        found.discard(expr.op in ("<>", "<", ">"))
    elif isinstance(expr.left, nodes.Literal) and isinstance(expr.right, nodes.Literal):
        return frozenset({_holds(expr.left.value, expr.op, expr.right.value)})
    elif (compared := comparison(expr)) is not None:
        found -= _impossible(compared)
    return frozenset(found)


def _impossible(compared: Comparison) -> set[bool]:
    """Return the truth values that a comparison with a cut cannot have."""
    op, cut = compared.op, compared.cut
    if isinstance(cut, nodes.Quantile):
        # All samples are ranked, so that none lies beyond the first and the last of them.
        if cut.population != nodes.PoolScan() or cut.expr != compared.value:
            return set()
        last = cut.rank.p == (0 if cut.rank.datacomp else 1)
        first = cut.rank.p == 0 and not cut.rank.datacomp and not cut.nulls_first
        never, always = {">"} if last else set(), {"<="} if last else set()
        if first:
            never, always = never | {"<"}, always | {">="}
    elif _is_negative(compared.value) or not isinstance(cut.value, int | float):
        return set()
    else:
        never = {"=", "<", "<="} if cut.value < 0 else {"<"} if cut.value == 0 else set()
        always = {"<>", ">", ">="} if cut.value < 0 else {">="} if cut.value == 0 else set()
    return {True} if op in never else {False} if op in always else set()


def _is_negative(expr: nodes.Expr) -> bool:
    """Return whether a number may be below 0."""
    if isinstance(expr, nodes.Convert):
        return _is_negative(expr.operand)
    return not (isinstance(expr, nodes.Call) and expr.name in _NEVER_NEGATIVE)


def _holds(left: object, op: str, right: object) -> bool:
    a: int = (left > right) - (left < right)  # type: ignore[operator]
    return {"=": a == 0, "<>": a != 0, "<": a < 0, "<=": a <= 0, ">": a > 0, ">=": a >= 0}[op]
