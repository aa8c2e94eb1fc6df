"""L010: a negation that drops the samples for which nothing is known."""

from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted, told
from dcql.plan.truth import truths
from dcql.source import Source, Span
from dcql.syntax import ast


def dropped_nulls(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find conditions such as `lang <> 'de'` that drop samples of a pool because a value is NULL."""
    if measured is None:
        return
    found = [node for node in _conjuncts(linted) if _is_negation(node) and _may_be_null(linted, node)]
    counts = measured.gained([_or_null(linted.source, node.span) for node in found]) if found else []
    for node, count in zip(found, counts, strict=True):
        if count is None or count <= 0:
            continue
        samples = "sample" if count == 1 else "samples"
        message = f"`{told(node)}` drops {count:,} {samples} for which it is NULL"
        helps = (
            f"to keep them, write `coalesce({told(node)}, TRUE)`",
            "if they are to go, say so: add `IS NOT NULL` for what may be NULL",
        )
        label = "neither equal nor different: where a value is NULL, so is the comparison"
        yield Diagnostic("L010", message, node.span, label, helps, severity="warning")


def _conjuncts(linted: Linted) -> Iterator[ast.Expr]:
    for node in linted.nodes():
        if isinstance(node, ast.Select) and node.where is not None:
            yield from node.where.operands if isinstance(node.where, ast.And) else (node.where,)


def _is_negation(node: ast.Expr) -> bool:
    match node:
        case ast.Compare(op="<>") | ast.Not():
            return True
        case ast.Like() | ast.InName() | ast.InList() | ast.Between():
            return node.negated
        case _:
            return False


def _may_be_null(linted: Linted, node: ast.Expr) -> bool:
    meaning = linted.meaning(node)
    return meaning is not None and None in truths(meaning)


def _or_null(source: Source, span: Span) -> Source:
    return Source(source.name, f"{source.text[: span.start]}coalesce({span.text}, TRUE){source.text[span.end :]}")
