"""What a report says of samples, against plain Python over the pool's own rows."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import ADVERSARIAL

from dcql.catalog.library import library
from dcql.catalog.pool import open_pool
from dcql.compiler import run
from dcql.engine.duck import Resources
from dcql.engine.values import locate, observing
from dcql.inspect.report.bins import Bins
from dcql.inspect.report.cuts import cuts
from dcql.inspect.report.findings import CutFound, Findings, look
from dcql.plan.passes import optimize
from dcql.plan.written import Writer, short_names
from dcql.source import Source
from dcql.subset import UID

Row = dict[str, Any]
NEAR = 5


def looked(text: str, pool: str, near: int = NEAR) -> tuple[Findings, set[str]]:
    """Run a recipe on an added pool and look at it; return what was found, and the kept uids."""
    done = run(Source("recipe", text), pool)
    plan = optimize(done.compiled.plan)
    frozen = {one.name: one for stage in done.result.stages for one in stage}
    program, opened = done.compiled.program, open_pool(pool)
    writer = Writer(short_names(done.compiled.recipe, library(), opened.schema))
    with observing(program, opened, Resources(1), frozen, lambda *_: None) as observed:
        found = look(plan, cuts(plan, writer), program.every_feature, done.subset, observed, near, lambda *_: None)
    return found, set(done.subset.hex())


def rows_of(pool: str) -> list[Row]:
    """Return a pool's rows, NaN as None, with uids of 32 digits and short names."""
    columns = ADVERSARIAL[pool]().columns
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and math.isnan(value):
                row[name] = None
        row["uid"] = row["uid"].zfill(32)
        # As float32 has them.
        row["clip_l14"], row["clip_b32"] = (
            None if row[name] is None else float(np.float32(row[name]))
            for name in ("clip_l14_similarity_score", "clip_b32_similarity_score")
        )
    return rows


def holds(found: CutFound, population: list[Row], score: Callable[[Row], Any], kept: set[str]) -> None:
    """Check a histogram against the population's rows."""
    valued = [(score(row), row["uid"]) for row in population if score(row) is not None]
    assert (found.members, found.known) == (len(population), len(valued))
    assert found.counts is not None
    bins = found.counts.bins
    every = Counter(bin_of(bins, value) for value, _ in valued)
    inside = Counter(bin_of(bins, value) for value, uid in valued if uid in kept)
    assert found.counts.every.tolist() == [every[place] for place in range(bins.count)]
    assert found.counts.kept.tolist() == [inside[place] for place in range(bins.count)]


def bin_of(bins: Bins, value: float) -> int:
    places = [place for place in range(bins.count) if float(np.float32(bins.edge(place))) <= value]
    return max(places, default=0)


def nearest(rows: list[Row], score: Callable[[Row], Any], value: float) -> list[str]:
    """Return the uids of the rows nearest to a value, ties by uid."""
    ordered = sorted(rows, key=lambda row: (abs(score(row) - value), row["uid"]))
    return [row["uid"] for row in ordered[:NEAR]]


def uids(near: tuple[Any, ...]) -> list[str]:
    return [f"{one.uid[0]:016x}{one.uid[1]:016x}" for one in near]


def l14(row: Row) -> Any:
    return row["clip_l14"]


@pytest.mark.parametrize("pool", ["mixed", "not_a_number"])
def test_a_threshold_of_the_pool(pool: str) -> None:
    found, kept = looked("SELECT uid FROM pool WHERE clip_b32 > 0.18 AND clip_l14 >= q(0.7)", pool)
    rows = rows_of(pool)
    values = sorted(l14(row) for row in rows if l14(row) is not None)
    threshold = values[max(1, math.ceil(0.7 * len(values))) - 1]
    first, second = found.cuts
    assert (first.cut.label, first.cut.op, first.value) == ("clip_b32", ">", float(np.float32(0.18)))
    assert (second.cut.label, second.cut.op, second.value) == ("clip_l14", ">=", threshold)
    holds(second, rows, l14, kept)
    b32 = float(np.float32(0.18))
    reaching = [row for row in rows if row["clip_b32"] is not None and row["clip_b32"] > b32 and l14(row) is not None]
    assert uids(second.dropped) == nearest([row for row in reaching if l14(row) < threshold], l14, threshold)
    assert uids(second.kept) == nearest([row for row in reaching if l14(row) >= threshold], l14, threshold)
    dropped = [row for row in rows if row["clip_b32"] is not None and row["clip_b32"] <= b32]
    assert uids(first.dropped) == nearest(dropped, lambda row: row["clip_b32"], b32)


def test_a_threshold_of_a_stage_is_shown_over_the_stage() -> None:
    text = """
        WITH wide AS (SELECT uid FROM pool WHERE original_width >= 500)
        SELECT uid FROM wide WHERE clip_l14 >= q(0.5 OF wide)
    """
    found, kept = looked(text, "mixed")
    rows = rows_of("mixed")
    wide = [row for row in rows if row["original_width"] is not None and row["original_width"] >= 500]
    of_width, of_score = found.cuts
    assert (of_width.cut.stage, of_width.cut.called) == ("wide", "pool")
    assert (of_score.cut.stage, of_score.cut.called) == ("query", "wide")
    holds(of_score, wide, l14, kept)


def test_each_bound_of_between_drops_its_own_samples() -> None:
    found, kept = looked("SELECT uid FROM pool WHERE original_width BETWEEN 400 AND 402", "mixed")
    low, high = found.cuts
    rows = [row for row in rows_of("mixed") if row["original_width"] is not None]

    def width(row: Row) -> Any:
        return row["original_width"]

    assert ([low.cut.op, low.value], [high.cut.op, high.value]) == ([">=", 400], ["<=", 402])
    assert uids(low.dropped) == nearest([row for row in rows if width(row) < 400], width, 400)
    assert uids(high.dropped) == nearest([row for row in rows if width(row) > 402], width, 402)
    assert uids(high.kept) == nearest([row for row in rows if row["uid"] in kept], width, 402)


def test_a_limit_cuts_its_first_sort_key() -> None:
    text = "SELECT uid FROM pool WHERE safe ORDER BY clip_l14 DESC LIMIT 100"
    found, kept = looked(text, "mixed")
    (cut,) = found.cuts
    safe = [row for row in rows_of("mixed") if row["safe"]]
    values = sorted((l14(row) for row in safe if l14(row) is not None), reverse=True)
    assert (cut.cut.text, cut.cut.op, cut.value) == ("LIMIT 100", ">=", values[99])
    holds(cut, safe, l14, kept)
    left_out = [row for row in safe if row["uid"] not in kept and l14(row) is not None]
    assert uids(cut.dropped) == nearest(left_out, l14, values[99])


def test_a_threshold_by_group_has_no_cut_of_its_own() -> None:
    found, kept = looked("SELECT uid FROM pool WHERE clip_l14 >= q(0.5 BY grp)", "mixed")
    (cut,) = found.cuts
    assert cut.cut.by
    assert cut.value is None
    assert len(cut.found) == len({row["grp"] for row in rows_of("mixed")})
    holds(cut, rows_of("mixed"), l14, kept)


def test_a_comparison_inside_another_select_counts_too() -> None:
    text = "SELECT uid FROM pool WHERE uid IN (SELECT uid FROM pool WHERE clip_l14 < 0.2) OR clip_b32 >= 0.25"
    found, _ = looked(text, "mixed")
    assert [(one.cut.label, one.cut.op) for one in found.cuts] == [("clip_l14", "<"), ("clip_b32", ">=")]


def test_columns_are_counted_before_and_after() -> None:
    found, kept = looked("SELECT uid FROM pool WHERE clip_l14 >= q(0.7)", "mixed")
    assert "clip_l14_similarity_score" not in [one.name for one in found.columns]
    rows = rows_of("mixed")
    for column in found.columns:
        valued = [row for row in rows if row[column.name] is not None]
        assert column.known == column.counts.every.sum() == len(valued)
        assert column.known_kept == column.counts.kept.sum() == sum(row["uid"] in kept for row in valued)


def test_mixes_count_what_the_recipe_asks_of() -> None:
    found, kept = looked("SELECT uid FROM pool WHERE clip_l14 >= q(0.9) AND lang = 'en'", "mixed")
    (mix,) = found.mixes
    rows = [row for row in rows_of("mixed") if l14(row) is not None]
    threshold = sorted(map(l14, rows))[max(1, math.ceil(0.9 * len(rows))) - 1]
    assert not mix.whole
    assert mix.known == sum(l14(row) >= threshold for row in rows) == sum(count for _, count, _ in mix.values)
    assert mix.known_kept == len(kept) == sum(count for _, _, count in mix.values)
    assert {value: after for value, _, after in mix.values}["en"] == len(kept)


def test_a_feature_that_is_stored_for_the_whole_pool_is_shown_of_it(dcql: Any) -> None:
    assert dcql("feature", "compute", "lang", "--pool", "not_a_number").code == 0
    found, _ = looked("SELECT uid FROM pool WHERE clip_l14 >= 0.25 AND lang = 'en'", "not_a_number")
    (mix,) = found.mixes
    assert mix.whole
    assert mix.known == len(rows_of("not_a_number"))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT uid FROM pool WHERE original_width > 9007199254740993 AND original_height <= -9223372036854775807",
        "SELECT uid FROM pool WHERE original_width * 2 > original_height AND original_width / 3 < 1.5",
        "SELECT uid FROM pool WHERE clip_l14 > 5",
        "SELECT uid FROM pool WHERE clip_l14 >= q(0) AND clip_l14 <= q(1)",
    ],
)
def test_numbers_at_the_ends_of_their_types(text: str) -> None:
    found, kept = looked(text, "huge_sizes")
    for one in found.cuts:
        assert one.counts is not None
        assert one.counts.every.sum() == one.known
    assert {uid for one in found.cuts for uid in uids(one.kept)} <= kept


def test_infinities_have_no_picture_and_no_harm() -> None:
    found, _ = looked("SELECT uid FROM pool WHERE score > 0.2 AND clip_b32 >= 0.1", "not_a_number")
    of_score, of_clip = found.cuts
    assert of_score.counts is None
    assert of_clip.counts is None
    assert of_score.known == sum(row["score"] is not None for row in rows_of("not_a_number"))


def test_samples_are_located_by_uid(store: Path) -> None:
    rows = rows_of("mixed")
    asked = sorted([rows[0]["uid"], rows[1234]["uid"], "f" * 32])
    pool = open_pool("mixed")
    found = locate(pool, np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in asked], UID))
    import pyarrow.parquet as pq

    at = {f"{high:016x}{low:016x}": (file, row) for (high, low), file, row in found}
    assert sorted(at) == [uid for uid in asked if uid != "f" * 32]
    for uid, (file, row) in at.items():
        assert pq.read_table(pool.files[file].path).column("uid")[row].as_py().zfill(32) == uid
