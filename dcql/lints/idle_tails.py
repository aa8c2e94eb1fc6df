"""L009: an ORDER BY or a promise that decides nothing."""

from collections.abc import Iterator
from dataclasses import fields

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.lints.removal import remove
from dcql.syntax import ast


def idle_tails(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find each ORDER BY after which nothing is cut or chosen."""
    for node in linted.nodes():
        if not isinstance(node, ast.Query) or not node.order or _reads_order(node):
            continue
        [*_, order, by] = linted.between(node.body.span.end, node.order[0].span.start)
        keys = by.to(node.order[-1].span)
        yield Diagnostic(
            "L009",
            "ORDER BY decides nothing here",
            order.to(keys),
            "a subset has no order; nothing is cut off by a LIMIT",
            ("add a `LIMIT`, or leave it out",),
            "warning",
            remove(linted, order, keys),
        )


def _reads_order(query: ast.Query) -> bool:
    """Return whether a part of a query reads its order: any but the body, which does for DISTINCT ON alone."""
    body = query.body
    if isinstance(body, ast.Select) and body.distinct_on:
        return True
    rest = [getattr(query, one.name) for one in fields(query) if one.name not in ("span", "body", "order")]
    return any(value is not None and value != () for value in rest)
