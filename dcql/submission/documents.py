"""What the files of a submission say, as typed data: read with care, for strangers wrote them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcql.errors import DcqlError, Diagnostic
from dcql.locks.lock import Lock
from dcql.locks.lock_file import MAX_BYTES as MAX_LOCK_BYTES
from dcql.locks.lock_file import read_lock
from dcql.submission import layout
from dcql.submission.entry import Entry, read_entry
from dcql.submission.layout import Unreadable
from dcql.subset import Subset

MAX_SUBSET_BYTES = 1 << 36


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the funnel: its text, the samples that it leaves, and the thresholds that it is the first to use."""

    text: str
    left: int
    thresholds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One SELECT of the funnel; `samples` is None where it was not counted."""

    name: str
    source: str
    samples: int | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A statistic of the run; `hexadecimal` is its value where that is a float, `grouped` whether it is of a BY."""

    name: str
    text: str
    population: str
    value: Any
    hexadecimal: str | None
    counts: Mapping[str, int]
    grouped: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """manifest.json of a run; `data` is all of it."""

    hash: str
    distinct: int
    total: int
    pool_name: str
    fingerprint: str
    samples: int
    text: str
    parameters: Mapping[str, str]
    thresholds: tuple[Threshold, ...]
    funnel: tuple[Section, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shards:
    """shards.json: what was trained on; see `dcql.runtime.shards.ShardSet`."""

    subset: str
    pool: str
    digest: str
    samples: int
    distinct: int
    missing: int
    policy: Mapping[str, str | int]
    sizes: tuple[int, ...]  # samples of each shard
    sha256: tuple[str, ...]  # hex, of each shard's bytes
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """run.json: the run hash, the key that it is the hash of, and where it ran."""

    run_hash: str
    key: Mapping[str, Any]
    environment: Mapping[str, Any]
    environment_hash: str


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """weights.json: what training gave."""

    weights_sha256: str
    run_hash: str
    steps: int
    samples_seen: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of eval_results.jsonl: one task. `main` is its main metric, None where a task has none.

    `complete` says whether all samples of its set were evaluated; `data` is all of the line.
    """

    number: int
    key: str
    dataset: str
    metrics: Mapping[str, Any]
    main: float | None
    run_hash: str
    eval_hash: str
    weights_sha256: str
    n: int
    interval: tuple[float, float] | None
    dataset_sha256: str
    split: str
    complete: bool
    environment_hash: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """eval.json: the hash of the evaluation and the averages of its tasks."""

    eval_hash: str
    tasks: int
    missing: tuple[str, ...]
    averages: Mapping[str, float | None]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Environments:
    """environment.json: where it was trained, and by their hashes where tasks were evaluated."""

    train: Mapping[str, Any]
    evaluate: Mapping[str, Mapping[str, Any]]


@dataclass
class Submission:
    """A submission folder that was read. What cannot be read is None, and a fault says why."""

    folder: Path
    files: frozenset[str]
    entry: Entry | None = None
    recipe: str | None = None
    lock: Lock | None = None
    manifest: Manifest | None = None
    subset: Subset | None = None
    shards: Shards | None = None
    run: RunRecord | None = None
    weights: WeightsRecord | None = None
    results: tuple[Line, ...] | None = None
    evaluation: Evaluation | None = None
    environments: Environments | None = None
    faults: list[Diagnostic] = field(default_factory=list)
    entry_faults: list[Diagnostic] = field(default_factory=list)

    @property
    def has_subset(self) -> bool:
        """Whether the uids are part of it."""
        return layout.SUBSET in self.files


def read_submission(folder: Path) -> Submission:
    """Read a submission folder as far as it can be. Raises RunError where there is no folder."""
    listing = layout.list_folder(folder)
    found = Submission(folder, listing.files, faults=list(listing.faults))
    readers: dict[str, tuple[str, Any]] = {
        layout.RECIPE: ("recipe", lambda: layout.read_text(folder, layout.RECIPE, 1_000_000)),
        layout.LOCK: ("lock", lambda: _lock(folder)),
        layout.MANIFEST: ("manifest", lambda: _manifest(folder)),
        layout.SUBSET: ("subset", lambda: _subset(folder)),
        layout.SHARDS: ("shards", lambda: _shards(folder)),
        layout.RUN: ("run", lambda: _run(folder)),
        layout.WEIGHTS: ("weights", lambda: _weights(folder)),
        layout.RESULTS: ("results", lambda: _results(folder)),
        layout.EVALUATION: ("evaluation", lambda: _evaluation(folder)),
        layout.ENVIRONMENT: ("environments", lambda: _environments(folder)),
    }
    for name, (attribute, reader) in readers.items():
        # Whatever is no plain file was told already, and is not opened.
        if name not in listing.files:
            continue
        try:
            setattr(found, attribute, reader())
        except Unreadable as error:
            found.faults.append(error.diagnostic)
    if layout.ENTRY in listing.files:
        try:
            found.entry = read_entry(layout.read_text(folder, layout.ENTRY, 1 << 20))
        except Unreadable as error:
            found.faults.append(error.diagnostic)
        except DcqlError as error:
            found.entry_faults += error.diagnostics
    return found


def _lock(folder: Path) -> Lock:
    layout.read_bytes(folder, layout.LOCK, MAX_LOCK_BYTES)
    try:
        return read_lock(folder / layout.LOCK)
    except DcqlError as error:
        raise Unreadable(layout.LOCK, error.diagnostics[0].label) from error


def _subset(folder: Path) -> Subset:
    path = folder / layout.SUBSET
    if path.lstat().st_size > MAX_SUBSET_BYTES:
        raise Unreadable(layout.SUBSET, f"it is larger than {MAX_SUBSET_BYTES:,} bytes")
    try:
        return Subset.load(path)
    except DcqlError as error:
        raise Unreadable(layout.SUBSET, f"{error.diagnostics[0].label}") from error


def _manifest(folder: Path) -> Manifest:
    name = layout.MANIFEST
    data = layout.as_object(name, layout.read_text(folder, name), versioned=False)
    parameters = layout.field(name, data, "parameters", dict)
    if not all(isinstance(value, str) for value in parameters.values()):
        raise Unreadable(name, "`parameters` are not text")
    layout.field(name, data, "versions", dict)
    return Manifest(
        hash=layout.field(name, data, "hash", str),
        distinct=layout.field(name, data, "distinct", int),
        total=layout.field(name, data, "total", int),
        pool_name=layout.field(name, data, "pool.name", str),
        fingerprint=layout.field(name, data, "pool.fingerprint", str),
        samples=layout.field(name, data, "pool.samples", int),
        text=layout.field(name, data, "recipe.text", str),
        parameters=parameters,
        thresholds=tuple(_threshold(row) for row in layout.field(name, data, "thresholds", list)),
        funnel=tuple(_section(row) for row in layout.field(name, data, "counts", list)),
        data=data,
    )


def _threshold(row: Any) -> Threshold:
    def get(path: str, *kinds: type) -> Any:
        return layout.field(layout.MANIFEST, row, path, kinds, "thresholds: ")

    return Threshold(
        name=get("name", str),
        text=get("text", str),
        population=get("population", str),
        value=get("value", int, float, str, bool, type(None)),
        hexadecimal=get("hex", str, type(None)),
        counts={count: get(count, int) for count in ("n", "nulls", "k", "ties")},
        grouped=bool(get("group", list)),
    )


def _section(row: Any) -> Section:
    def get(row: Any, path: str, *kinds: type) -> Any:
        return layout.field(layout.MANIFEST, row, path, kinds, "counts: ")

    clauses = []
    for clause in get(row, "clauses", list):
        names = get(clause, "thresholds", list)
        if not all(isinstance(name, str) for name in names):
            raise Unreadable(layout.MANIFEST, "counts: `thresholds` are not text")
        clauses.append(Clause(get(clause, "text", str), get(clause, "left", int), tuple(names)))
    samples = get(row, "samples", int, type(None))
    return Section(get(row, "name", str), get(row, "from", str), samples, tuple(clauses))


def _shards(folder: Path) -> Shards:
    name = layout.SHARDS
    data = layout.read_json(folder, name)
    policy = layout.field(name, data, "policy", dict)
    if not all(type(value) in (str, int) for value in policy.values()):
        raise Unreadable(name, "`policy` holds other things than text and whole numbers")
    rows = layout.field(name, data, "shards", list)
    return Shards(
        subset=layout.field(name, data, "subset", str),
        pool=layout.field(name, data, "pool", str),
        digest=layout.field(name, data, "digest", str),
        samples=layout.field(name, data, "samples", int),
        distinct=layout.field(name, data, "distinct", int),
        missing=layout.field(name, data, "missing", int),
        policy=policy,
        sizes=tuple(layout.field(name, row, "samples", int, f"shard {place}: ") for place, row in enumerate(rows)),
        sha256=tuple(layout.field(name, row, "sha256", str, f"shard {place}: ") for place, row in enumerate(rows)),
        data=data,
    )


def _run(folder: Path) -> RunRecord:
    name = layout.RUN
    data = layout.read_json(folder, name)
    return RunRecord(
        run_hash=layout.field(name, data, "run_hash", str),
        key=layout.field(name, data, "key", dict),
        environment=layout.field(name, data, "environment", dict),
        environment_hash=layout.field(name, data, "environment_hash", str),
    )


def _weights(folder: Path) -> WeightsRecord:
    name = layout.WEIGHTS
    data = layout.read_json(folder, name)
    return WeightsRecord(
        weights_sha256=layout.field(name, data, "weights_sha256", str),
        run_hash=layout.field(name, data, "run_hash", str),
        steps=layout.field(name, data, "steps", int),
        samples_seen=layout.field(name, data, "samples_seen", int),
    )


def _results(folder: Path) -> tuple[Line, ...]:
    name = layout.RESULTS
    return tuple(_line(number, data) for number, data in enumerate(layout.read_lines(folder, name), start=1))


def _line(number: int, data: Mapping[str, Any]) -> Line:
    name, where = layout.RESULTS, f"line {number}: "

    def get(path: str, *kinds: type) -> Any:
        return layout.field(name, data, path, kinds, where)

    main = get("metrics.main_metric", float, int, type(None))
    interval = get("interval", list, type(None))
    if interval is not None:
        _refuse_unless(_numbers(interval) and len(interval) == 2, where, "`interval` is not two numbers")
    _refuse_unless(main is None or math.isfinite(main), where, "`metrics.main_metric` is not finite")
    return Line(
        number=number,
        key=get("key", str),
        dataset=get("dataset", str),
        metrics=get("metrics", dict),
        main=None if main is None else float(main),
        run_hash=get("run_hash", str),
        eval_hash=get("eval_hash", str),
        weights_sha256=get("weights_sha256", str),
        n=get("n", int),
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        dataset_sha256=get("dataset_sha256", str),
        split=get("split", str),
        complete=get("complete", bool),
        environment_hash=get("environment_hash", str),
        data=data,
    )


def _refuse_unless(holds: bool, where: str, why: str) -> None:
    if not holds:
        raise Unreadable(layout.RESULTS, f"{where}{why}")


def _numbers(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _environments(folder: Path) -> Environments:
    name = layout.ENVIRONMENT
    data = layout.read_json(folder, name)
    evaluate = layout.field(name, data, "evaluate", dict)
    if not all(isinstance(value, dict) for value in evaluate.values()):
        raise Unreadable(name, "`evaluate` does not hold objects")
    return Environments(layout.field(name, data, "train", dict), evaluate)


def _evaluation(folder: Path) -> Evaluation:
    name = layout.EVALUATION
    data = layout.read_json(folder, name)
    missing = layout.field(name, data, "missing", list)
    averages = layout.field(name, data, "averages", dict)
    if not all(isinstance(key, str) for key in missing):
        raise Unreadable(name, "`missing` is not a list of text")
    if not _numbers([value for value in averages.values() if value is not None]):
        raise Unreadable(name, "`averages` are not numbers")
    return Evaluation(
        eval_hash=layout.field(name, data, "eval_hash", str),
        tasks=layout.field(name, data, "tasks", int),
        missing=tuple(missing),
        averages=averages,
        data=data,
    )
