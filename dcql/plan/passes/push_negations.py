"""Push NOT down to where it ends."""

from dcql.plan.nodes import And, Compare, Expr, Node, Not, Or, Plan, transform_plan

_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def push_negations(plan: Plan) -> Plan:
    """NOT (a < b) -> a >= b; NOT NOT x -> x; NOT (x AND y) -> NOT x OR NOT y.

    True in three-valued logic: both sides are NULL together. No value is NaN, so every two values compare.
    """
    return transform_plan(plan, lambda node: _negate(node.operand) if isinstance(node, Not) else node)


def _negate(operand: Expr) -> Node:
    match operand:
        case Compare():
            return Compare(_OPPOSITE[operand.op], operand.left, operand.right)
        case Not():
            return operand.operand
        case And():
            return Or(tuple(_negated(part) for part in operand.operands))
        case Or():
            return And(tuple(_negated(part) for part in operand.operands))
        case _:
            return Not(operand)


def _negated(operand: Expr) -> Expr:
    result = _negate(operand)
    assert isinstance(result, Expr)
    return result
