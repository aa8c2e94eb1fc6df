"""Writes a set in the layout that is read: equal samples give equal bytes."""

import contextlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dcql.runtime.evaluate.layout import CLASSNAMES, INSTANCES, SHARDS, SPLIT, TEMPLATES, TYPE

SAMPLES_PER_TAR = 1000


def write_set(
    folder: Path,
    samples: Iterable[Mapping[str, bytes]],
    *,
    classnames: Sequence[str] = (),
    templates: Sequence[str] = (),
    instances: Sequence[Mapping[str, Any]] = (),
    retrieval: bool = False,
    keys: Sequence[str] | None = None,
    per_tar: int = SAMPLES_PER_TAR,
) -> Path:
    """Write a set to `folder`, which must not exist, whole or not at all, and return it.

    A sample is content by extension: {"webp": .., "cls": b"3"}. `keys` name the samples; without them they are
    numbered. Raises OSError, FileExistsError where `folder` is there.
    """
    if folder.exists():
        raise FileExistsError(folder)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.unfinished")
    (unfinished / SPLIT).mkdir(parents=True)
    try:
        for name, lines in ((CLASSNAMES, classnames), (TEMPLATES, templates)):
            if lines:
                _write_lines(unfinished / name, lines)
        if instances:
            _write_lines(unfinished / INSTANCES, [json.dumps(row, ensure_ascii=False) for row in instances])
        if retrieval:
            _write_lines(unfinished / TYPE, ["retrieval"])
        _write_lines(unfinished / SPLIT / SHARDS, [str(_write_tars(unfinished / SPLIT, samples, keys, per_tar))])
        os.rename(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write_tars(folder: Path, samples: Iterable[Mapping[str, bytes]], keys: Sequence[str] | None, per_tar: int) -> int:
    """Write numbered tars; return how many."""
    tars = 0
    with contextlib.ExitStack() as stack:
        tar: tarfile.TarFile | None = None
        for number, sample in enumerate(samples):
            if number % per_tar == 0:
                stack.close()
                tar = stack.enter_context(tarfile.open(folder / f"{tars}.tar", "w", format=tarfile.USTAR_FORMAT))
                tars += 1
            assert tar is not None
            key = f"{number:08d}" if keys is None else keys[number]
            for extension, content in sample.items():
                # TarInfo starts with no owner, no group and time 0.
                entry = tarfile.TarInfo(f"{key}.{extension}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return tars


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
