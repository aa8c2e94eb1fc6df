"""`dcql check`: what --fix writes and what it leaves alone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dcql = Callable[..., Any]

TEXT = "SELECT uid FROM pool\r\nWHERE TRUE\t\r\n  AND lang='en' -- English\r\nORDER BY width"
FIXED = "SELECT uid FROM pool\r\nWHERE lang='en' -- English\r\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_fix_writes_nothing_but_the_edits(dcql: Dcql, here: Path, mark: str) -> None:
    path = here / "odd.dcql"
    path.write_bytes((mark + TEXT).encode())
    path.chmod(0o640)
    told = dcql("check", "odd.dcql", "--fix")
    assert (told.code, told.err) == (0, "")
    assert path.read_bytes().decode() == mark + FIXED
    assert path.stat().st_mode & 0o777 == 0o640
    assert dcql("check", "odd.dcql", "--diff").out == ""


def test_what_has_no_fix_is_not_written(dcql: Dcql, here: Path) -> None:
    path = here / "strict.dcql"
    path.write_text("SELECT uid FROM pool WHERE clip_l14 > q(0.7);\n")
    os.utime(path, ns=(1, 1))
    before = path.stat()
    assert "L001" in dcql("check", "strict.dcql", "--fix").err
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, 1, before.st_ctime_ns)


def test_a_file_that_cannot_be_replaced_stays_whole(dcql: Dcql, here: Path) -> None:
    folder = here / "closed"
    folder.mkdir()
    path = folder / "odd.dcql"
    path.write_bytes(TEXT.encode())
    with pytest.MonkeyPatch.context() as patch:

        def full(self: Path, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(Path, "write_bytes", full)
        assert dcql("check", "closed/odd.dcql", "--fix").code != 0
    assert path.read_bytes().decode() == TEXT
    assert [one.name for one in folder.iterdir()] == ["odd.dcql"]


def test_a_warning_is_told_apart_from_an_error(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    warned, failed = dcql("check", "lints.dcql"), dcql("check", "lints.dcql", "--strict")
    assert "\x1b[1;33mwarning[L001]" in warned.err
    assert "\x1b[1;31merror[L001]" in failed.err
    assert (warned.code, failed.code) == (0, 1)


def test_nothing_of_a_text_steers_the_terminal(dcql: Dcql, here: Path) -> None:
    (here / "a\x1b[31mb.dcql").write_text("SELECT uid FROM pool WHERE TRUE;\n")
    for options in ((), ("--diff",), ("--fix",)):
        told = dcql("check", "a\x1b[31mb.dcql", *options)
        assert "\x1b" not in told.err + (told.out if options != ("--diff",) else "")
