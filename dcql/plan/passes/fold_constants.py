"""Replace what is constant by its value."""

from dataclasses import replace

from dcql.catalog.types import Type
from dcql.plan.nodes import FALSE, TRUE, And, Call, Case, Expr, IsNull, Literal, Node, Not, Or, Plan, transform_plan


def fold_constants(plan: Plan) -> Plan:
    """TRUE AND x -> x; FALSE AND x -> FALSE; NOT TRUE -> FALSE; CASE WHEN FALSE THEN a ELSE b END -> b.

    NULL AND x stays: it is FALSE where x is, else NULL.
    """
    return transform_plan(plan, _fold)


def _fold(node: Node) -> Node:
    match node:
        case And():
            return _connective(node.operands, neutral=TRUE, final=FALSE, kind=And)
        case Or():
            return _connective(node.operands, neutral=FALSE, final=TRUE, kind=Or)
        case Not(operand=Literal(value=value)):
            return Literal(None if value is None else not value, Type.BOOL)
        case IsNull(operand=Literal(value=value)):
            return TRUE if value is None else FALSE
        case Case():
            return _case(node)
        case Call(name="coalesce"):
            return _coalesce(node)
        case _:
            return node


def _connective(operands: tuple[Expr, ...], neutral: Literal, final: Literal, kind: type[And | Or]) -> Expr:
    if final in operands:
        return final
    left = tuple(operand for operand in operands if operand != neutral)
    if not left:
        return neutral
    return left[0] if len(left) == 1 else kind(left)


def _case(node: Case) -> Expr:
    branches: list[tuple[Expr, Expr]] = []
    for condition, value in node.branches:
        if condition == TRUE:
            return replace(node, branches=tuple(branches), default=value) if branches else value
        if not isinstance(condition, Literal):
            branches.append((condition, value))
    if not branches:
        return node.default
    return replace(node, branches=tuple(branches)) if len(branches) < len(node.branches) else node


def _coalesce(node: Call) -> Expr:
    """Drop NULL literals, and everything after a value that cannot be NULL."""
    kept: list[Expr] = []
    for argument in node.arguments:
        if isinstance(argument, Literal) and argument.value is None:
            continue
        kept.append(argument)
        if isinstance(argument, Literal):
            break
    if not kept:
        return Literal(None, node.type)
    return kept[0] if len(kept) == 1 else replace(node, arguments=tuple(kept))
