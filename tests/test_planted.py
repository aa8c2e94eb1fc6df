"""The conformance recipes notice a bug where one is planted."""

import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest
from conformance import RECIPES, adversarial, compiled, differences, expected
from sqlglot import exp

from dcql.engine import run, statistics
from dcql.lower import lower, sql
from dcql.lower.chain import Chain, Member
from dcql.lower.lower import Lowering
from dcql.plan import constants, nodes

Plant = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Bug:
    """What is wrong with it planted, how it is planted, and the recipe and pool that notice."""

    plant: Plant
    recipe: str
    pool: str


def instead(target: Any, name: str, made: Callable[..., Any]) -> Plant:
    """Plant a function that is given the right one first: `made(right)`."""
    return lambda: patch.object(target, name, made(getattr(target, name)))


def in_pass(name: str, function: str, made: Callable[..., Any]) -> Plant:
    # The package holds each pass by its name, which hides the module.
    return instead(import_module(f"dcql.plan.passes.{name}"), function, made)


def strict(compare: Callable[..., Any]) -> Callable[..., Any]:
    return lambda op, left, right: compare({">=": ">"}.get(op, op), left, right)


def drop_inner_clauses(merge: Callable[..., Any]) -> Callable[..., Any]:
    def planted(node: nodes.Node) -> Any:
        if isinstance(node, nodes.Filter) and isinstance(node.input, nodes.Filter):
            return nodes.Filter(node.input.input, node.clauses)
        return merge(node)

    return planted


def and_stays_and(negate: Callable[..., Any]) -> Callable[..., Any]:
    def planted(operand: nodes.Expr) -> Any:
        if isinstance(operand, nodes.And):
            return nodes.And(tuple(nodes.Not(part) for part in operand.operands))
        return negate(operand)

    return planted


def null_wins(fold: Callable[..., Any]) -> Callable[..., Any]:
    def planted(node: nodes.Node) -> Any:
        if isinstance(node, nodes.And) and any(part == nodes.Literal(None, part.type) for part in node.operands):
            return nodes.Literal(None, node.type)
        return fold(node)

    return planted


def other_operation(wrong: dict[str, str]) -> Callable[..., Any]:
    def made(combined: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, rel, *rest: combined(self, replace(rel, op=wrong.get(rel.op, rel.op)), *rest)

    return made


def without_null_keys(distinct_on: Callable[..., Any]) -> Callable[..., Any]:
    def planted(self: Chain, rel: nodes.DistinctOn, name: str) -> Member:
        member = distinct_on(self, rel, name)
        known = [sql.opposite(sql.is_null(self.expression(key, name))) for key in rel.keys]
        return Member(self.column(sql.both([member.present, *known]), f"@{name}.planted"), member.copies)

    return planted


def by_way_of_float64(_: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value: struct.unpack("<f", struct.pack("<f", float(value)))[0]


def words(pattern: str) -> Callable[..., Any]:
    return lambda _: lambda value: sql.call("len", sql.call("regexp_extract_all", value, exp.Literal.string(pattern)))


def rank(k: Callable[[nodes.Rank, int], int]) -> Plant:
    return lambda: patch.object(nodes.Rank, "k", k)


def floor_rank(self: nodes.Rank, n: int) -> int:
    return max(1, n - int(n * float(self.p)) if self.datacomp else int(self.p * n))


def exact_datacomp_rank(self: nodes.Rank, n: int) -> int:
    exact = Fraction(str(float(self.p)))
    return max(1, n - int(n * exact) if self.datacomp else -int(-self.p * n // 1))


def as_it_is(samples: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **options: samples(*given, **options | {"normalised": True})


def skip_too_much(needed: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self: [sql.opposite(one) for one in needed(self)]


def last_file_first(init: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, files: init(self, files[::-1])


BUGS = {
    ">= is >": Bug(instead(sql, "compare", strict), "q_of_the_pool", "fp16_ties"),
    "ties go by uid": Bug(instead(sql, "tie_hash", lambda _: lambda uid: uid), "limit_count", "fp16_ties"),
    "ORDER BY ignores NULLS FIRST": Bug(
        instead(nodes, "SortKey", lambda key: lambda expr, descending, first: key(expr, descending, False)),
        "limit_nulls_first",
        "not_a_number",
    ),
    "q ignores NULLS FIRST": Bug(
        instead(
            statistics,
            "_position",
            lambda position: lambda q, present, nulls: position(replace(q, nulls_first=False), present, nulls),
        ),
        "q_nulls_first",
        "not_a_number",
    ),
    "q counts NULLs": Bug(
        instead(
            statistics,
            "_position",
            lambda position: lambda q, present, nulls: position(replace(q, nulls_first=True), present, nulls),
        ),
        "q_of_the_pool",
        "mixed",
    ),
    "k is floor(p n)": Bug(rank(floor_rank), "q_of_the_pool", "tiny_files"),
    "datacomp_q is exact": Bug(rank(exact_datacomp_rank), "datacomp_q", "exact_cut"),
    "NULL is no group of q BY": Bug(
        instead(sql, "same", lambda _: lambda left, right: sql.compare("=", left, right)), "q_by", "fp16_ties"
    ),
    "merge_filters loses clauses": Bug(
        in_pass("merge_filters", "_merge", drop_inner_clauses), "queries_in_from", "mixed"
    ),
    "NOT <= is <": Bug(
        lambda: patch.dict(import_module("dcql.plan.passes.push_negations")._OPPOSITE, {"<=": ">="}),
        "between_and_in",
        "fp16_ties",
    ),
    "NOT (a AND b) is NOT a AND NOT b": Bug(
        in_pass("push_negations", "_negate", and_stays_and), "null_logic", "fp16_ties"
    ),
    "NULL AND FALSE is NULL": Bug(in_pass("fold_constants", "_fold", null_wins), "null_logic", "fp16_ties"),
    "least skips NULLs": Bug(
        instead(sql, "extreme", lambda _: lambda name, arguments: sql.call(name, *arguments)),
        "least_and_greatest",
        "mixed",
    ),
    "FLOAT literals go through float64": Bug(
        instead(constants, "_nearest_float", by_way_of_float64), "float32_without_float64", "exact_cut"
    ),
    "EXCEPT is INTERSECT": Bug(
        instead(Chain, "_combined", other_operation({"EXCEPT": "INTERSECT"})), "set_operations", "fp16_ties"
    ),
    "UNION ALL loses copies": Bug(
        instead(Chain, "_combined", other_operation({"UNION ALL": "UNION"})), "union_all_adds_copies", "fp16_ties"
    ),
    "UNION keeps copies": Bug(
        instead(Chain, "_combined", other_operation({"UNION": "UNION ALL"})), "sets_take_each_once", "fp16_ties"
    ),
    "a line break is no fastText token": Bug(
        instead(sql, "fasttext_words", words(r"[^ \t\v\f\r\x00\n]+")), "words_and_lengths", "odd_captions"
    ),
    "words are ASCII's": Bug(instead(sql, "python_words", words(r"\S+")), "words_and_lengths", "odd_captions"),
    "DISTINCT ON drops NULL keys": Bug(
        instead(Chain, "_distinct_on", without_null_keys), "distinct_on_two_keys", "fp16_ties"
    ),
    "NaN and -0.0 stay": Bug(instead(lower, "samples", as_it_is), "nan_is_null", "not_a_number"),
    "scans skip what is kept": Bug(instead(Lowering, "_needed", skip_too_much), "q_of_the_pool", "fp16_ties"),
    "ranks of another file": Bug(instead(run.InOrder, "__init__", last_file_first), "q_of_the_pool", "fp16_ties"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    ready, path = adversarial(bug.pool), RECIPES[bug.recipe]
    answer = expected(path.read_text(encoding="utf-8"), bug.pool)
    assert differences(path, ready, answer) == []
    compiled.cache_clear()
    with bug.plant():
        found = differences(path, ready, answer)
    compiled.cache_clear()
    # A wrong threshold is a difference too, where a tie hides it from the subset.
    assert any("another subset" in difference or "other thresholds" in difference for difference in found), found
