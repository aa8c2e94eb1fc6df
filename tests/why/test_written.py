"""A plan written back as text is read as the same plan."""

from generate import recipes
from hypothesis import given
from properties import small

from dcql.catalog.library import library
from dcql.compiler import check
from dcql.errors import DcqlError
from dcql.plan import nodes
from dcql.plan.written import Writer, literal, short_names
from dcql.source import Source
from dcql.syntax.parser import parse


@given(recipes())
def test_clauses_that_are_written_back_are_the_same_clauses(text: str) -> None:
    schema = small(3).raw.schema
    try:
        plan = check(Source("generated", text), schema)
    except DcqlError:
        return
    writer = Writer(short_names(parse(Source("generated", text)), library(), schema))
    stages = "".join(f"{stage.name} AS ({writer.relation(stage.relation)}), " for stage in plan.stages)
    opening = f"WITH {stages[:-2]} " if stages else ""
    written = opening + writer.relation(plan.query)
    assert flat(check(Source("written", written), schema)) == flat(plan), written


def flat(plan: nodes.Plan) -> tuple[object, ...]:
    """Return a plan's relations with every AND of a WHERE split: parentheses hide none, and BETWEEN is one."""

    def rule(node: nodes.Node) -> nodes.Node:
        if not isinstance(node, nodes.Filter):
            return node
        return nodes.Filter(node.input, tuple(part for clause in node.clauses for part in split(clause.expr)))

    def split(expr: nodes.Expr) -> tuple[nodes.Clause, ...]:
        if isinstance(expr, nodes.And):
            return tuple(part for operand in expr.operands for part in split(operand))
        return (nodes.Clause(expr, ""),)

    flattened = nodes.transform_plan(plan, rule)
    return flattened.stages, flattened.query


def test_constants_are_the_shortest_that_are_the_same() -> None:
    single = nodes.Literal(0.2800000011920929, nodes.Type.FLOAT)
    assert literal(single) == "0.28"
    assert literal(nodes.Literal(-1.5, nodes.Type.DOUBLE)) == "-1.5"
    assert literal(nodes.Literal("it's", nodes.Type.TEXT)) == "'it''s'"
    assert literal(nodes.Literal(None, nodes.Type.INT)) == "NULL"
