"""The table of baselines in README.md is what `python -m dcql.demo.table` prints, and its order is the known one."""

from pathlib import Path

import pytest
from dcql.demo.page import between
from dcql.demo.table import BASELINES, PROGRAM, Line, lines, table

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(tmp_path_factory.mktemp("home")))
        return list(lines())


def test_the_readme_shows_it(measured: list[Line]) -> None:
    begin, end = between(PROGRAM)
    _, _, rest = README.read_text(encoding="utf-8").partition(begin)
    assert rest.partition(end)[0].strip() == table(measured)


def test_every_baseline_keeps_more_clean_pairs_than_no_filter(measured: list[Line]) -> None:
    """The order of reference runs on pools like this one: no filter, rules and language, then the intersection."""
    clean = {line.recipe: line.profile.among_kept["clean English"] for line in measured}
    assert min(clean, key=lambda name: clean[name]) == "no_filter"
    assert clean["basic_filter"] > 1.5 * clean["no_filter"]
    assert max(clean, key=lambda name: clean[name]) == "image_based_intersect_clip_score"
    assert clean["image_based_intersect_clip_score"] > 1.5 * clean["basic_filter"]


def test_a_fault_is_dropped_by_what_looks_for_it(measured: list[Line]) -> None:
    kept = {line.recipe: line.profile for line in measured}

    def dropped_more(recipe: str, fault: str) -> bool:
        samples = kept["no_filter"].rows
        return kept[recipe].of_class[fault] < 0.8 * kept[recipe].rows / samples

    assert dropped_more("clip_score_l14_30", "wrong caption")
    assert dropped_more("basic_filter", "boilerplate")
    # Only flags: of the patterns it keeps more than its share, so less than a fifth of all that is off topic goes.
    assert dropped_more("image_based", "off topic: flag")
    assert not dropped_more("image_based", "off topic: pattern")
    assert dropped_more("image_based_intersect_clip_score", "off topic")


def test_the_lines_stand_in_the_order_of_what_they_keep(measured: list[Line]) -> None:
    assert [line.recipe for line in measured] == [recipe for recipe, _ in BASELINES]
    assert [line.recipe for line in measured][-2:] == ["basic_filter", "image_based_intersect_clip_score"]
