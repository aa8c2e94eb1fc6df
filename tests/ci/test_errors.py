"""Each fault of `dcql ci` gives one message: the .txt of tests/ci/errors/. The file name starts with the code."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ci.conftest import Scratch
from ci.volatile import volatile
from features.own import Here

from dcql import verify
from dcql.cli import ci, locks
from dcql.codes.ci import CODES
from dcql.errors import DcqlError, Diagnostic, RunError, render

ERRORS = Path(__file__).parent / "errors"
RECIPE = "SELECT uid FROM pool\nWHERE clip_l14 >= q(0.7);\n"


def merged(scratch: Scratch) -> None:
    from dcql.locks.lock_file import read_any_lock, write_lock
    from dcql.locks.merging import merged as both

    every = []
    for share in ("0.7", "0.8"):
        scratch.write("my recipe.dcql", RECIPE.replace("0.7", share))
        locks.lock(["my recipe.dcql"], "small")
        every.append(read_any_lock(Path("my recipe.lock")))
    write_lock(both(None, *every), Path("my recipe.lock"))
    locks.lock(["my recipe.dcql"], check=True)


def no_repository(scratch: Scratch) -> None:
    os.chdir(scratch.top.parent)
    ci.run()


def no_git(scratch: Scratch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        ci.setup()


def no_base(scratch: Scratch) -> None:
    scratch.write("a.dcql", RECIPE)
    scratch.commit()
    ci.run("mian")


def option_as_base(scratch: Scratch) -> None:
    ci.run("--upload-pack=x")


def symbolic_link(scratch: Scratch) -> None:
    (scratch.top / "a.dcql").symlink_to("/etc/passwd")
    told(scratch)


def own_model(scratch: Scratch) -> None:
    """In this process, and in a store that is empty: all conditions are those of test_action.py."""
    volatile(scratch, "a.dcql")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcql.engine.features.running.Workers", Here)
        every = verify.conditions_for
        patch.setattr(
            verify, "conditions_for", lambda *given: tuple(c for c in every(*given) if c.name == "cold store")
        )
        locks.lock(["a.dcql"], "small", own_code=True)
        told(scratch, own_code=True)


def read_only(scratch: Scratch) -> None:
    (scratch.top / ".gitattributes").mkdir()
    ci.setup()


def told(scratch: Scratch, *, own_code: bool = False) -> None:
    """Raise what examining a.dcql tells."""
    from dcql.catalog.pool import open_pool
    from dcql.ci.changed import find_repository
    from dcql.ci.examine import How, examine
    from dcql.engine.features.report import Computing

    how = How(lambda named: open_pool("small"), computing=Computing(own_code=own_code))
    raise RunError(*examine(find_repository(Path()), "a.dcql", None, how).faults)


CASES: dict[str, Callable[[Scratch], None]] = {
    "E1581_merged": merged,
    "E1582_no_git": no_git,
    "E1582_no_repository": no_repository,
    "E1583_no_base": no_base,
    "E1583_option": option_as_base,
    "E1584_symbolic_link": symbolic_link,
    "E1585_own_model": own_model,
    "E1586_attributes_are_a_folder": read_only,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, scratch: Scratch, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    faults: list[Diagnostic] = []
    # The commands tell what they raise; here it is caught before.
    for command in ("run", "setup"):
        monkeypatch.setattr(ci, command, getattr(ci, command).__wrapped__)
    with pytest.raises(DcqlError) as caught:
        CASES[name](scratch)
    faults += caught.value.diagnostics
    assert [fault.code for fault in faults] == [name[:5]]
    rendered = render(faults).replace(str(scratch.top.parent), "FOLDER") + "\n"
    rendered = re.sub(r"value \d+ and \d+", "value .. and ..", rendered)
    path = ERRORS / f"{name}.txt"
    if update:
        path.write_text(rendered, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == rendered


def test_every_code_has_a_case_and_every_file_too() -> None:
    assert {name[:5] for name in CASES} == {row.code for row in CODES}
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)
