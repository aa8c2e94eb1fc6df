"""Copies in SQL: what `n AS copies` counts, and the checks that the samples hold it to (SEMANTICS §3.11)."""

from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.program import Check, Checks, Fault
from dcql.lower.sql import Sql
from dcql.lower.statement import FAULT, ID
from dcql.plan import nodes
from dcql.plan.copies import MAX_COPIES, Most, checked, most_counted

if TYPE_CHECKING:
    from dcql.lower.chain import Chain, Member

# What is too many counts as one more than there may be: so no sum or product leaves 64 bits before it is refused.
_TOO_MANY = MAX_COPIES + 1


def constant_copies(expr: nodes.Expr) -> int | None:
    """Return the copies that an expression is whatever the sample, None where it differs or has to be checked."""
    return most_counted(expr) if isinstance(expr, nodes.Literal) else None


def counted(expr: nodes.Expr, value: Sql) -> Sql:
    """Write a value as a number of copies, 0 where it is none: that is refused before anything is made of it."""
    count = sql.unsigned(value)
    if most_counted(expr) is not None:
        # NULL where a CASE ends up nowhere.
        return count
    return sql.case([(_is_count(expr, value.copy()), count)], sql.unsigned(sql.integer(0)))


def multiplied(source: Sql | None, count: Sql, most: int) -> Sql:
    """Write `count` copies of each that `source` has; `most` is the bound of the two together."""
    if source is None:
        return count
    return _held(exp.Paren(this=exp.Mul(this=sql.unsigned(source.copy()), expression=count)), most)


def added(left: Sql, right: Sql, most: int) -> Sql:
    """Write the copies of both; `most` is the bound of the two together."""
    return _held(exp.Paren(this=exp.Add(this=left, expression=right)), most)


def taken(copies: Sql, plan: nodes.Plan) -> Sql:
    """Write the copies of a plan's query as they leave it: what is too many, and refused elsewhere, as fits 32 bits."""
    count = sql.unsigned(copies)
    if Most({stage.name: stage.relation for stage in plan.stages}).unchecked(plan.query) <= MAX_COPIES:
        return count
    return sql.call("least", count, sql.unsigned(sql.integer(MAX_COPIES)))


def _held(value: Sql, most: int) -> Sql:
    return value if most <= MAX_COPIES else sql.call("least", value, sql.unsigned(sql.integer(_TOO_MANY)))


def _is_count(expr: nodes.Expr, value: Sql) -> Sql:
    """Write whether a value is a whole number from 0 to the most that a sample may have."""
    tests = [sql.compare(">=", _wide(expr, value), _number(expr, 0))]
    tests.append(sql.compare("<=", _wide(expr, value.copy()), _number(expr, MAX_COPIES)))
    if expr.type is not Type.INT:
        tests.append(sql.compare("=", _wide(expr, value.copy()), sql.call("trunc", _wide(expr, value.copy()))))
    return sql.both(tests)


def _wide(expr: nodes.Expr, value: Sql) -> Sql:
    return sql.cast(value, Type.DOUBLE) if expr.type is Type.FLOAT else value


def _number(expr: nodes.Expr, value: int) -> Sql:
    return sql.literal(nodes.Literal(value if expr.type is Type.INT else float(value), _wide_type(expr)))


def _wide_type(expr: nodes.Expr) -> Type:
    return Type.DOUBLE if expr.type is Type.FLOAT else expr.type


# --- checks -----------------------------------------------------------------------------------------------------------


def checks(plan: nodes.Plan, chain: "Chain") -> Checks | None:
    """Return how the copies of a plan are checked; None where no number can be wrong.

    `chain` is a query over the plan's relations that has yet to be built.
    """
    told: list[tuple[str, nodes.Copies | None, Sql, Sql]] = []
    for number, node in enumerate(checked(plan)):
        name = f"check'{number}"
        if isinstance(node, nodes.Copies):
            source = chain.relation(node.input, f"{name}/from")
            fault, value = _of_copies(node, source, chain.column(chain.expression(node.expr, name), f"@{name}/count"))
            told.append((name, node, chain.column(fault, f"@{name}/{FAULT}"), value))
        else:
            total = chain.relation(node, name)
            assert total.copies is not None
            over = sql.both([total.present.copy(), _above(total.copies.copy())])
            fault = sql.case([(over, sql.integer(Fault.TOO_MANY))], sql.integer(Fault.NONE))
            told.append((name, None, chain.column(fault, f"@{name}/{FAULT}"), exp.Null()))
    if not told:
        return None
    members = chain.source()
    worst = [(sql.call("max", fault.copy()), name) for name, _, fault, _ in told]
    found: list[Check] = []
    for name, copies, fault, value in told:
        items = [(sql.column(ID), "id"), (fault.copy(), FAULT), (_text(value), "value")]
        wrong = sql.compare("<>", fault.copy(), sql.integer(Fault.NONE))
        which = sql.render(sql.where(sql.select(items, members.copy()), wrong))
        text, span = (copies.text, copies.span) if copies is not None else ("UNION ALL", None)
        found.append(Check(name, text, span, which))
    return Checks(sql.render(sql.select(worst, members)), tuple(found))


def _of_copies(node: nodes.Copies, source: "Member", value: Sql) -> tuple[Sql, Sql]:
    """Write what is wrong with the copies of a sample, and the number that it would have."""
    expr = node.expr
    wide = _wide(expr, value)
    cut = sql.call("trunc", wide.copy())
    whole: Sql = sql.compare("<>", wide.copy(), cut) if expr.type is not Type.INT else exp.false()
    branches = [
        (sql.opposite(source.present.copy()), Fault.NONE),
        (sql.is_null(value.copy()), Fault.NULL),
        (sql.compare("<", wide.copy(), _number(expr, 0)), Fault.NEGATIVE),
        (whole, Fault.FRACTION),
        (sql.compare(">", wide.copy(), _number(expr, MAX_COPIES)), Fault.TOO_MANY),
    ]
    shown: Sql = value
    if source.copies is not None:
        product = exp.Paren(
            this=exp.Mul(this=sql.unsigned(source.copies.copy()), expression=counted(expr, value.copy()))
        )
        branches.append((_above(product), Fault.PRODUCT))
        shown = sql.case([(_is_count(expr, value.copy()), _text(product.copy()))], _text(value.copy()))
    fault = sql.case([(condition, sql.integer(code)) for condition, code in branches], sql.integer(Fault.NONE))
    return fault, shown


def _above(copies: Sql) -> Sql:
    return sql.compare(">", copies, sql.unsigned(sql.integer(MAX_COPIES)))


def _text(value: Sql) -> Sql:
    return sql.cast(value, Type.TEXT)
