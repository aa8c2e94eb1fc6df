"""The predicate under the cursor, and the recipes that count what it keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from dcql.catalog.types import Schema, Type
from dcql.compiler import check
from dcql.editing.document import Document
from dcql.editing.places import POOL
from dcql.errors import DcqlError
from dcql.plan import nodes
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.parser import parse_statement
from dcql.syntax.scan import TOKEN
from dcql.syntax.tree import FinalQuery


@dataclass(frozen=True, slots=True)
class Question:
    """What to count: the samples that `recipe` keeps, of those that `base` does; without a base, of the pool.

    `of` names the relation that they are counted of.
    """

    recipe: str
    base: str | None
    of: str


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition that a query or a DEFINE holds samples to, and what the query reads: the text from FROM to WHERE."""

    span: Span
    relation: str


def predicate_at(document: Document, offset: int) -> Predicate | None:
    """Return the innermost condition at an offset: one of those that AND joins after WHERE, or in a DEFINE's body.

    None outside of conditions, and in a statement that does not parse.
    """
    statement = document.statement_at(offset)
    if statement is None:
        return None
    tree = parse_statement(document.source, statement.start, statement.end)
    if isinstance(tree, ast.Define) and tree.parameters is None:
        return next((Predicate(one.span, POOL) for one in _conjuncts(tree.body) if _holds(one.span, offset)), None)
    if not isinstance(tree, FinalQuery):
        return None
    best: Predicate | None = None
    for select in _selects((tree.stages, tree.query)):
        if select.where is None or not _holds(select.where.span, offset):
            continue
        for one in _conjuncts(select.where):
            if _holds(one.span, offset) and (best is None or one.span.end - one.span.start < len(best.span.text)):
                best = Predicate(one.span, _relation(document.source, select))
    return best


def question(document: Document, predicate: Predicate) -> Question:
    """Return what counts the samples of its relation that a predicate keeps."""
    above, relation = predicate.span.start, predicate.relation
    kept = f"SELECT uid FROM {relation}\nWHERE ({predicate.span.text}\n)"
    recipe = document.query_over(f"{predicate.span.text} {relation}", above, kept)
    if relation == POOL:
        return Question(recipe, None, POOL)
    return Question(recipe, document.query_over(relation, above, f"SELECT uid FROM {relation}"), relation)


def type_of(document: Document, expression: str, schema: Schema) -> Type | None:
    """Return the type of an expression over the pool, of the recipe's names; None where it has faults."""
    recipe = document.query_over(expression, 0, f"SELECT uid FROM pool WHERE ({expression}\n) IS NOT NULL")
    try:
        plan = check(Source("expression", recipe), schema, path=document.path)
    except DcqlError:
        return None
    query = plan.query
    tests = (node for node in nodes.walk(query) if isinstance(node, nodes.IsNull))
    return next((test.operand.type for test in tests), None)


def _relation(source: Source, select: ast.Select) -> str:
    """Return what a SELECT with a WHERE reads: its relation, and what is joined to it."""
    assert select.where is not None
    between = TOKEN.finditer(source.text, select.relation.span.end, select.where.span.start)
    where = next(match.start() for match in between if match.lastgroup == "word" and match.group().upper() == "WHERE")
    return source.text[select.relation.span.start : where].rstrip()


def _conjuncts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    return expr.operands if isinstance(expr, ast.And) else (expr,)


def _holds(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end


def _selects(node: Any) -> Iterator[ast.Select]:
    """Yield every SELECT in a tree."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Select):
            yield one
        if isinstance(one, tuple):
            waiting += one
        elif isinstance(one, ast.Node):
            waiting += [getattr(one, part.name) for part in fields(one)]
