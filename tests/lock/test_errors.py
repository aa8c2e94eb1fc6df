"""Each fault of a lock gives one message: the .txt of tests/lock/errors/. The file name starts with the code."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dcql.cli import locks
from dcql.codes.lock import CODES
from dcql.errors import DcqlError, render
from dcql.locks.lock_file import read_lock, write_lock
from dcql.verify import conditions_for, perturb, refuse

ERRORS = Path(__file__).parent / "errors"
LOCK = Path("clip.lock")
RECIPE = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND python_words(text) > 1;\n"


def locked() -> None:
    Path("clip.dcql").write_text(RECIPE)
    locks.lock(["clip.dcql"], "mixed")


def edited(old: str, new: str) -> None:
    locked()
    text = LOCK.read_text()
    assert old in text
    LOCK.write_text(text.replace(old, new, 1))


def another_pool() -> None:
    locked()
    locks.lock(["clip.dcql"], "fp16_ties", check=True)


def edited_recipe() -> None:
    locked()
    Path("clip.dcql").write_text(RECIPE.replace("0.7", "0.8").replace("python_words", "fasttext_words"))
    locks.verify("clip.dcql")


def only_described() -> None:
    locked()
    write_lock(replace(read_lock(LOCK), pool_name="another"), LOCK)
    locks.lock(["clip.dcql"], "mixed", check=True)


def layout() -> None:
    edited("[pool]", "\n[pool]")
    locks.lock(["clip.dcql"], check=True)


def missing() -> None:
    Path("clip.dcql").write_text(RECIPE)
    locks.verify("clip.dcql")


def merge() -> None:
    edited("[pool]", "<<<<<<< ours\n[pool]")
    locks.verify("clip.dcql")


def later_version() -> None:
    edited("lock_version = 1", "lock_version = 2")
    locks.verify("clip.dcql")


def lacks_a_count() -> None:
    edited("distinct", "district")
    locks.verify("clip.dcql")


def edited_by_hand() -> None:
    edited("dcpool1:", "dcpool1:0")
    locks.verify("clip.dcql")


def other_folder() -> None:
    Path("runs").mkdir()
    locks.verify("runs")


def another_threshold() -> None:
    edited('value = "0x', 'value = "0x1')
    locks.verify("clip.dcql")


def another_subset() -> None:
    edited("dcql1:f1", "dcql1:01")
    locks.lock(["clip.dcql"])


def condition_that_matters() -> None:
    from dcql.catalog.pool import open_pool
    from dcql.compiler import run

    locked()
    reference = run("clip.dcql", open_pool("mixed"))
    outcomes = list(perturb(reference, conditions_for(reference)[:6]))
    refuse([replace(o, difference="stage 1: planted") if "files " in o.name else o for o in outcomes])


def raw_pool() -> None:
    from pools import ADVERSARIAL, write

    write(ADVERSARIAL["tiny_files"](), Path("metadata"))
    Path("clip.dcql").write_text(RECIPE)
    locks.lock(["clip.dcql"], "metadata")


def verified_over_another_pool() -> None:
    locked()
    locks.verify("clip.dcql", "fp16_ties")


def no_folder() -> None:
    Path("clip.dcql").write_text(RECIPE)
    locks.lock(["clip.dcql"], "mixed", output=Path("nowhere/clip.lock"))


CASES: dict[str, Callable[[], None]] = {
    "E0801_another_pool": another_pool,
    "E0801_edited_recipe": edited_recipe,
    "E0801_only_described": only_described,
    "E0801_layout": layout,
    "E0802_missing": missing,
    "E0802_merge": merge,
    "E0802_later_version": later_version,
    "E0802_lacks_a_count": lacks_a_count,
    "E0802_edited_by_hand": edited_by_hand,
    "E0802_other_folder": other_folder,
    "E0803_another_threshold": another_threshold,
    "E0803_another_subset": another_subset,
    "E0803_condition_that_matters": condition_that_matters,
    "E0804_raw_pool": raw_pool,
    "E0805_verified_over_another_pool": verified_over_another_pool,
    "E0806_no_folder": no_folder,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DcqlError) as caught:
        CASES[name]()
    drawn = render(caught.value.diagnostics) + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [name[:5]]
    assert caught.value.exit_code == 3
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_code_has_a_message_and_every_message_a_case() -> None:
    assert {row.code for row in CODES} == {name[:5] for name in CASES}
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)
