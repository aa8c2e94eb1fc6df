"""A training folder: what one run hash is trained in, by one command at a time.

DIR/
  run.json             what is trained: run hash, its key, the environment
  log.jsonl            a line a logged step
  checkpoints/         the state after the last checkpoint, gone once the training is done
  weights.safetensors  the weights, and weights.json, their digest and what was seen
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcql.runtime.identity import RunRecord
from dcql.runtime.train.checkpoint import replaced, writing

from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json

RUN = "run.json"
LOG = "log.jsonl"
WEIGHTS = "weights.safetensors"
SUMMARY = "weights.json"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder and hold it until the end of the block. Raises RunError where another process trains in it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                Diagnostic(
                    "E1104",
                    f"another process trains in `{folder}`",
                    None,
                    "it holds the folder, and ends by itself or when it is stopped",
                    ("wait for it, or name another folder: `--out DIR`",),
                )
            ) from None
        yield
    finally:
        os.close(descriptor)


def begin(folder: Path, record: RunRecord) -> None:
    """Write run.json, or check that the one which is there has the same run hash.

    Raises RunError for a folder of another run, with what differs, and for one that is no training folder.
    """
    path = folder / RUN
    if path.exists():
        there = read_run(folder)
        if there.run_hash != record.run_hash:
            _refuse_other(folder, there, record)
        return
    with writing(folder):
        stranger = min((entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")), default=None)
    if stranger is not None:
        raise RunError(
            Diagnostic(
                "E1103",
                f"`{folder}` is not a training folder",
                None,
                f"it holds `{stranger}` and no {RUN}",
                ("name a new folder: `--out DIR`",),
            )
        )
    write_json(path, record.to_json())


def read_run(folder: Path) -> RunRecord:
    """Read run.json. Raises RunError where it cannot be read or its hashes are wrong."""
    return RunRecord.from_json(_read_json(folder / RUN, RunRecord.from_json))


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read weights.json, None for a training that is not done. Raises RunError where it cannot be read."""
    if not (folder / SUMMARY).exists():
        return None

    def check(data: dict[str, Any]) -> None:
        data["weights_sha256"], data["run_hash"]

    summary: dict[str, Any] = _read_json(folder / SUMMARY, check)
    return summary


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a file of JSON, whole or not at all. Raises RunError where the disk does."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with writing(path), replaced(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


class Log:
    """log.jsonl, without the lines after the step that a training goes on from."""

    def __init__(self, folder: Path, start: int) -> None:
        """Keep the lines up to `start`, the number of steps that are done. Raises RunError where the disk does."""
        self._path = folder / LOG
        kept = [line for line in self._lines() if _step(line) <= start]
        with writing(self._path), replaced(self._path) as unfinished:
            unfinished.write_text("".join(kept), encoding="utf-8")

    def append(self, line: dict[str, Any]) -> None:
        """Write a line. Raises RunError where the disk does."""
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        return self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def _step(line: str) -> float:
    """Return the step of a line, infinite where the line was cut off."""
    try:
        return int(json.loads(line)["step"]) if line.endswith("\n") else float("inf")
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _read_json(path: Path, check: Any) -> Any:
    try:
        data = parse_json(path.read_bytes())
        check(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            Diagnostic(
                "E1103",
                f"`{path}` cannot be used",
                None,
                str(error) or type(error).__name__,
                ("name another folder: `--out DIR`, or remove this one and train again",),
            )
        ) from error
    return data


def _refuse_other(folder: Path, there: RunRecord, wanted: RunRecord) -> None:
    paths = differences(there.key, wanted.key)
    shown = [f"{name}: {_short(one)} there, {_short(other)} now" for name, one, other in paths[:4]]
    if len(paths) > 4:
        shown.append(f"and {len(paths) - 4} more")
    raise RunError(
        Diagnostic(
            "E1103",
            f"`{folder}` holds another training",
            None,
            "\n".join(shown),
            ("name another folder: `--out DIR`, or remove this one",),
        )
    )


def differences(one: Any, other: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """Return what differs between two run keys: dotted name, value in the one, value in the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other})
        return [
            found
            for each in names
            for found in differences(one.get(each), other.get(each), f"{name}.{each}" if name else each)
        ]
    return [] if one == other else [(name, one, other)]


def _short(value: Any) -> str:
    if isinstance(value, str) and value.startswith(("0x", "-0x")):
        return repr(float.fromhex(value))
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 32 else text[:31] + "…"
