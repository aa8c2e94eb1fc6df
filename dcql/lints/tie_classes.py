"""L007: a threshold whose value many samples share, so that no share near the one asked for can be kept."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.plan import nodes
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.engine.statistics import Found

LARGEST = Fraction(1, 1000)


def tie_classes(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find thresholds that fall in a tie class larger than LARGEST of what they rank."""
    if measured is None:
        return
    found = [(node, one) for node in linted.nodes() for one in _ranked(linted, node)]
    told: set[tuple[int, int]] = set()
    thresholds = measured.thresholds([one for _, one in found]) if found else []
    for (node, one), values in zip(found, thresholds, strict=True):
        place = node.span.start, node.span.end
        ranked, ties = sum(each.n for each in values), sum(each.ties for each in values if each.ties > 1)
        if place in told or ties <= LARGEST * ranked:
            continue
        told.add(place)
        share = f"{100 * ties / ranked:.3g} %"
        message = f"{ties:,} samples lie at the threshold, {share} of the {ranked:,} that it ranks"
        helps = (
            "`ORDER BY .. LIMIT n PERCENT` keeps an exact share, and breaks ties by a hash of the uid",
            "or rank something finer",
        )
        yield Diagnostic("L007", message, node.span, _label(one, values), helps, severity="warning")


def _label(one: nodes.Quantile, values: "Sequence[Found]") -> str:
    if one.by:
        return f"over all {len(values):,} groups; they pass together or not at all"
    return f"their value is {values[0].value:.8g}; they pass together or not at all"


def _ranked(linted: Linted, node: ast.Node) -> Iterator[nodes.Quantile]:
    """Yield the order statistics that a comparison is with."""
    if isinstance(node, ast.Compare | ast.Between):
        for meaning in linted.meanings.of(node):
            comparisons = meaning.operands if isinstance(meaning, nodes.And) else (meaning,)
            for one in comparisons:
                sides = (one.left, one.right) if isinstance(one, nodes.Compare) else ()
                yield from (side for side in sides if isinstance(side, nodes.Quantile))
