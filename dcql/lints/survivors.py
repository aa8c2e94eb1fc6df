"""L002: an order statistic over what a filter left, where published recipes rank the pool."""

from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.plan import nodes
from dcql.syntax import ast


def survivors(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find each `q(p OF stage)` whose stage is a filter of the pool."""
    for node in linted.nodes():
        if not isinstance(node, ast.Quantile) or node.of is None or node.of.text not in linted.stages:
            continue
        if _is_filtered(linted, nodes.Ref(node.of.text)):
            yield Diagnostic(
                "L002",
                f"the threshold is over the survivors of `{node.of.text}`",
                node.span,
                "published recipes rank all samples of the pool",
                (
                    "write `OF pool` for their rule",
                    "if the survivors are meant, say so: `-- dcql: allow L002`",
                ),
                severity="warning",
            )


def _is_filtered(linted: Linted, rel: nodes.Rel) -> bool:
    """Return whether a relation is the pool, narrowed by at least one WHERE."""
    *narrowed, last = linted.above(rel)
    return isinstance(last, nodes.PoolScan) and any(isinstance(one, nodes.Filter) for one in narrowed)
