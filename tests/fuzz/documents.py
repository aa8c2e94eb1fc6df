"""Readers of what runs leave: run folders, trainings, evaluations, training shards, submissions, records of pools."""

import contextlib
import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dcql.runtime import identity, shards
from dcql.runtime.evaluate import results, runs
from dcql.runtime.evaluate.tasks import Suite
from dcql.runtime.shard_reader import ShardReader

from dcql import run_folder
from dcql.catalog import store
from dcql.catalog.pool import read_recorded
from dcql.errors import DcqlError
from dcql.records import recorded
from dcql.submission import layout
from dcql.submission.check import check_documents
from dcql.submission.documents import read_submission
from fuzz.judging import promise
from fuzz.places import BASE, chosen, folder

# --- runs -------------------------------------------------------------------------------------------------------------


def manifest(data: bytes) -> bool:
    """The manifest of a run folder whose subset is base/run/subset.npy: as resharding and as `verify` read it."""
    place = _run()
    (place / run_folder.MANIFEST).write_bytes(data)
    refused: DcqlError | None = None
    try:
        run_folder.read(place)
    except DcqlError as error:
        refused = error
    found = recorded.find_recorded(place)
    recorded.settings_for(found.parameters, dict.fromkeys(found.parameters, "0"))
    if refused is not None:
        raise refused
    return True


@cache
def _run() -> Path:
    place = folder("run")
    shutil.copy(BASE / "run" / run_folder.SUBSET, place)
    return place


def trained(data: bytes) -> bool:
    """run.json and weights.json of a training."""
    from dcql.runtime.train import folder as training  # the one reader that brings in torch

    name, content = chosen(data, (layout.RUN, layout.WEIGHTS))
    place = _training()
    for each in (layout.RUN, layout.WEIGHTS):
        (place / each).write_bytes(content if each == name else (BASE / "submission" / each).read_bytes())
    if name == layout.RUN:
        with contextlib.suppress(DcqlError):
            training.read_run(place)
        (place / name).write_bytes(_with_hashes(content))
    record, summary = training.read_run(place), training.read_summary(place)
    promise(summary is not None and isinstance(record.run_hash, str), "a training that was read has a hash")
    found = runs.find_trained(place.parent.parent)
    promise(found.run_hash == (summary or {})["run_hash"], "an evaluation reads another run hash")
    return True


def _with_hashes(data: bytes) -> bytes:
    """Write the hashes of a run.json anew, where it has what they are of."""
    try:
        stated: Any = json.loads(data)
        stated["run_hash"] = identity.run_hash(stated["key"])
        stated["environment_hash"] = identity.environment_hash(stated["environment"])
        return json.dumps(stated).encode()
    except Exception:  # then it is read as it is
        return data


@cache
def _training() -> Path:
    place = folder("training") / "train" / "demo-seed0"
    place.mkdir(parents=True)
    return place


def evaluated(data: bytes) -> bool:
    """The files of an evaluation: results that are read are added up, written, and read again as the same."""
    name, content = chosen(data, (results.RESULTS, results.STAMPS, results.ENVIRONMENTS))
    place = folder("evaluation")
    (place / name).write_bytes(content)
    if name != results.RESULTS:
        found = results.read_stamps(place) if name == results.STAMPS else results.read_environments(place)
        return bool(found)
    lines = results.read(place)
    results.current(lines, "sha256:0", "dcrun1:0")
    described = results.summary(lines, Suite.DEMO, "sha256:0", "dcrun1:0")
    results.write(place, lines, described, {}, {})
    promise(results.read(place) == lines, "results are read back as others")
    return True


# --- training shards --------------------------------------------------------------------------------------------------


def shard_set(data: bytes) -> bool:
    """shards.json, as it is and with the digests that its parts have; and the samples that it says are there."""
    place = _shards()
    (place / shards.MANIFEST).write_bytes(data)
    with contextlib.suppress(DcqlError):
        _read_shards(place)
    (place / shards.MANIFEST).write_bytes(_with_digests(data, place / shards.INDEX))
    return _read_shards(place)


def shard_index(data: bytes) -> bool:
    """The index of training shards whose shards.json and tar are those of base/shards/."""
    place = _shards()
    (place / shards.INDEX).write_bytes(data)
    stated = (BASE / "shards" / shards.MANIFEST).read_bytes()
    (place / shards.MANIFEST).write_bytes(_with_digests(stated, place / shards.INDEX))
    try:
        return _read_shards(place)
    finally:
        shutil.copy(BASE / "shards" / shards.INDEX, place)


def _read_shards(place: Path) -> bool:
    found = shards.read(place)
    written = json.loads(json.dumps(shards.to_json(found)))
    promise(shards.from_json(written, os.fspath(place)) == found, "shards.json is read back as another one")
    shards.verify(found)
    reader = ShardReader(found)
    for position in range(min(len(reader), 20)):
        reader.read(position)
    return True


def _with_digests(data: bytes, index: Path) -> bytes:
    """Write the two digests anew, where a document has the fields that they are of."""
    try:
        stated: Any = json.loads(data)
        sha256 = tuple(one["sha256"] for one in stated["shards"])
        stated["digest"] = shards.digest_of(stated["subset"], stated["policy"], sha256)
        stated["index_sha256"] = hashlib.sha256(index.read_bytes()).hexdigest()
        return json.dumps(stated).encode()
    except Exception:  # then it is read as it is
        return data


@cache
def _shards() -> Path:
    place = folder("shards")
    for file in (BASE / "shards").iterdir():
        shutil.copy(file, place)
    return place


# --- submissions ------------------------------------------------------------------------------------------------------


def submission(data: bytes) -> bool:
    """One document of a submission, the others being those of base/submission/; all that can be said of it."""
    name, content = chosen(data, layout.REQUIRED)
    place = _submission()
    (place / name).write_bytes(content)
    try:
        read = read_submission(place)
        report = check_documents(read)
        if report.faults:
            raise DcqlError(*report.faults)
        promise(read.entry is not None and bool(read.entry.digest), "a submission without faults has an entry")
        return True
    finally:
        shutil.copy(BASE / "submission" / name, place)


@cache
def _submission() -> Path:
    place = folder("submission")
    for file in (BASE / "submission").iterdir():
        shutil.copy(file, place)
    return place


# --- the store --------------------------------------------------------------------------------------------------------


def pool_record(data: bytes) -> bool:
    """The record of a pool that was added; the files that the seed names lie beside it, empty but for the uids."""
    with patch.dict(os.environ, DCQL_HOME=str(_home())):
        store.record_file("pool").write_bytes(data)
        return read_recorded("pool").rows >= 0


@cache
def _home() -> Path:
    home = folder("home")
    with patch.dict(os.environ, DCQL_HOME=str(home)):
        place = store.pool_folder("pool")
    (place / "versions" / "v" / "distributions").mkdir(parents=True)
    (place / "versions" / "v" / "ranks").mkdir()
    (place / "versions" / "v" / "uids.npy").write_bytes(bytes(200))
    (place / "versions" / "v" / "ranks" / "k.npy").write_bytes(bytes(200))
    (place / "work" / "k").mkdir(parents=True)
    (place / "work" / "k" / "sidecar.parquet").touch()
    return home
