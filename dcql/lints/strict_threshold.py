"""L001: `x > q(p)`, where `x >= q(p)` is the rule that is published."""

from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.plan import nodes
from dcql.plan.comparison import comparison
from dcql.plan.truth import truths
from dcql.source import Source, Span
from dcql.syntax import ast


def strict_threshold(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find thresholds that leave out the samples at the threshold; a pool says how many these are."""
    found = [node for node in linted.nodes() if isinstance(node, ast.Compare) and _is_strict(linted, node)]
    operators = [_operator(linted, node) for node in found]
    fewer: list[int | None] = [None] * len(found)
    ties: list[int] = [0] * len(found)
    if measured is not None and found:
        fewer = measured.gained([_with_equal(linted.source, operator) for operator in operators])
        thresholds = measured.thresholds([_cut(linted, node) for node in found])
        ties = [sum(one.ties for one in values) for values in thresholds]
    for node, operator, count, at in zip(found, operators, fewer, ties, strict=True):
        message = f"`{operator.text}` leaves out the samples at the threshold"
        label = "DataComp keeps them, and so do the rules that it published"
        if count is not None:
            label = f"here it keeps {count:,} fewer than `{operator.text}=`, which is DataComp's rule"
        elif at:
            label = f"{at:,} samples lie at it, which DataComp keeps"
        help_ = f"write `{operator.text}=` to keep them"
        yield Diagnostic("L001", message, node.span, label, (help_,), severity="warning")


def _is_strict(linted: Linted, node: ast.Compare) -> bool:
    meanings = linted.meanings.of(node)
    return bool(meanings) and all(map(_strict, meanings))


def _strict(meaning: object) -> bool:
    if not isinstance(meaning, nodes.Compare) or (compared := comparison(meaning)) is None:
        return False
    own = isinstance(compared.cut, nodes.Quantile) and compared.cut.expr == compared.value
    # Above the highest value is nothing: that is told by another lint.
    return own and compared.op == ">" and True in truths(meaning)


def _cut(linted: Linted, node: ast.Compare) -> nodes.Quantile:
    compared = comparison(linted.meanings.of(node)[0])  # type: ignore[arg-type]
    assert compared is not None
    assert isinstance(compared.cut, nodes.Quantile)
    return compared.cut


def _operator(linted: Linted, node: ast.Compare) -> Span:
    [operator] = (span for span in linted.between(node.left.span.end, node.right.span.start) if span.text in ("<", ">"))
    return operator


def _with_equal(source: Source, operator: Span) -> Source:
    return Source(source.name, f"{source.text[: operator.end]}={source.text[operator.end :]}")
