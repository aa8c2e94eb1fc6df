"""Some samples of a subset, or of those that it leaves out, with what the pool says of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.library import library
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.compare.operands import Operand, refuse_other_pool
from dcql.compiler import Compiled, Run, run_compiled
from dcql.engine.duck import Resources
from dcql.engine.export import missing, refuse_unknown
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.report import Computing
from dcql.engine.features.rows import rows_of
from dcql.engine.inside import Inside
from dcql.engine.run import Progress
from dcql.engine.values import Observed, locate, observing, read_columns
from dcql.errors import DcqlError, Diagnostic, RunError
from dcql.inspect.dropped import Chosen, Group, Nearest, dropped
from dcql.plan.passes import optimize
from dcql.plan.written import Writer, short_names
from dcql.source import Source
from dcql.subset import UID, Subset, Uids, find
from dcql.syntax.parser import parse

CAPTION, URL = "text", "url"
# What stands in a table of its own, or says nothing to a person.
_LEFT_OUT = ("uid", CAPTION, URL)
_SCORES = 2  # that are shown where a recipe names no column
_DOMAIN = b"dcql.sample.v1\0"


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column of the pool, or a feature, by the name that recipes have for it."""

    name: str
    label: str
    type: Type
    is_feature: bool = False


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample: `values` are those of the columns; None where the pool has none, or a feature was never asked."""

    uid: str
    copies: int
    caption: str | None
    url: str | None
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Samples that belong together, of `count`: those kept, those dropped, or those that one clause drops."""

    title: str
    stage: str
    count: int
    near: bool
    samples: tuple[ShownSample, ...]


@dataclass(frozen=True, slots=True)
class Showing:
    """What is shown: of which subset and pool, how many it keeps of how many, and the samples in groups."""

    name: str
    pool: Pool
    hash: str
    kept: int
    columns: tuple[ShownColumn, ...]
    groups: tuple[ShownGroup, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for: how many samples, of the kept or of the dropped ones, in which order, which columns.

    `order` is a column and whether it falls; None takes the samples that `SAMPLE n ROWS SEED seed` would.
    """

    number: int
    is_dropped: bool = False
    order: tuple[str, bool] | None = None
    seed: str = "0"
    columns: tuple[str, ...] | None = None


def show(
    operand: Operand, pool: Pool, wanted: Wanted, resources: Resources, tell: Progress, computing: Computing
) -> Showing:
    """Choose samples of what an operand keeps of a pool, and read what is to be shown of them.

    A recipe is run; of a run folder and a .npy file the stored subset is taken. Raises what a run raises, and RunError
    for a column that the pool lacks (E0757) or that no order can be told by (E1501).
    """
    if operand.pool is not None and operand.subset is not None:
        refuse_other_pool(pool, {"name": operand.pool, "fingerprint": operand.fingerprint})
    compiled = _compiled(operand, pool)
    names = short_names(parse(Source("every", "SELECT uid FROM pool")), library(), pool.schema)
    if wanted.columns is not None:
        refuse_unknown(pool, [_own_name(one, names) for one in wanted.columns], tuple(names.values()))
    order = _order(wanted.order, pool, names)
    run = None
    if operand.subset is None or (wanted.is_dropped and wanted.order is None and compiled is not None):
        assert compiled is not None
        run = run_compiled(compiled, pool, resources, tell, computing=computing)
        _refuse_other_subset(operand, run)
    subset = operand.subset if operand.subset is not None else run.subset if run is not None else None
    assert subset is not None
    with ExitStack() as opened:
        observed = None
        if run is not None and (wanted.is_dropped or run.compiled.program.features):
            frozen = {one.name: one for stage in run.result.stages for one in stage}
            observed = opened.enter_context(observing(run.compiled.program, pool, resources, frozen, tell))
        columns = _columns(pool, compiled, wanted, names, has_features=observed is not None)
        if wanted.is_dropped and order is None and observed is not None and run is not None:
            plan = optimize(run.compiled.plan)
            writer = Writer(short_names(run.compiled.recipe, library(), pool.schema))
            groups = dropped(plan, writer, subset, observed, wanted.number, lambda uids: _keys(uids, wanted.seed), tell)
        else:
            groups = (_group(pool, subset, wanted, order, tell),)
        return Showing(
            operand.name,
            pool,
            subset.hash,
            subset.distinct,
            columns,
            tuple(_shown(group, pool, subset, columns, observed) for group in groups),
        )


def _compiled(operand: Operand, pool: Pool) -> Compiled | None:
    """Return an operand's recipe for a pool; None for one whose subset is stored, where the recipe is not at hand."""
    if operand.written is None:
        return None
    try:
        return operand.written.compiled(pool.schema)
    except DcqlError:
        if operand.subset is None:
            raise
        return None


def _refuse_other_subset(operand: Operand, run: Run) -> None:
    if operand.subset is not None and operand.subset.hash != run.subset.hash:
        label = f"its subset is {operand.subset.hash}, and the recipe now gives {run.subset.hash}"
        helps = (f"`dcql verify {operand.name}` says where they differ",)
        message = f"`{operand.name}` is not what its recipe selects from this pool"
        raise RunError(Diagnostic("E1434", message, None, label, helps))


def _own_name(name: str, names: Mapping[str, str]) -> str:
    """Return what the pool calls a column, by that name or by the one that recipes have for it."""
    return next((column for column, short in names.items() if short == name), name)


def _order(order: tuple[str, bool] | None, pool: Pool, names: Mapping[str, str]) -> tuple[str, bool] | None:
    if order is None:
        return None
    name = _own_name(order[0], names)
    column = pool.schema.get(name)
    if column is None:
        refuse_unknown(pool, [name], tuple(names.values()))
    if column is not None and column.type in (Type.NESTED, Type.EMBEDDING):
        _refuse_order(f"`{order[0]}` is {column.type.value}", "there is no order among its values")
    return name, order[1]


def read_order(text: str) -> tuple[str, bool]:
    """Read `column`, `column ASC` or `column DESC`: the column, and whether it falls. Raises RunError (E1501)."""
    name, *rest = text.split()[:3] or [""]
    if not name or len(text.split()) > 2 or (rest and rest[0].upper() not in ("ASC", "DESC")):
        _refuse_order(f"`{text}` is no order", "it is a column, and ASC or DESC after it")
    return name, bool(rest) and rest[0].upper() == "DESC"


def _refuse_order(message: str, label: str) -> NoReturn:
    raise RunError(Diagnostic("E1501", message, None, label, ("write it as in `clip_l14 DESC`",)))


# --- which samples ----------------------------------------------------------------------------------------------------


def _keys(uids: Uids, seed: str) -> NDArray[np.uint64]:
    """Return the first 8 bytes of the hash that SAMPLE orders uids by, (n,) uint64."""
    words = np.stack((uids["f0"], uids["f1"]), axis=1).astype(">u8").tobytes()
    head = _DOMAIN + seed.encode("utf-8") + b"\0"
    hashes = [hashlib.sha256(head + uid).digest() for uid in np.frombuffer(words, "V16").tolist()]
    return np.frombuffer(b"".join(hashes), ">u8")[::4].astype(np.uint64)


def _first(subset: Subset, number: int, seed: str) -> Uids:
    """Return the uids of a subset with the smallest hashes, (number,) or all that there are, in the order of these."""
    uids, keys = np.empty(0, UID), np.empty(0, np.uint64)
    for piece, _ in subset.pieces():
        uids, keys = np.concatenate((uids, piece)), np.concatenate((keys, _keys(piece, seed)))
        if len(keys) > number:
            near = keys <= np.partition(keys, number - 1)[number - 1]
            uids, keys = uids[near], keys[near]
        # Uids ascend, so that of the same hash the first one is the least.
        order = np.argsort(keys, kind="stable")[:number]
        uids, keys = uids[order], keys[order]
    return uids


def _group(pool: Pool, subset: Subset, wanted: Wanted, order: tuple[str, bool] | None, tell: Progress) -> Group:
    """Choose among all that is kept, or all that is not."""
    title = "dropped" if wanted.is_dropped else "kept"
    if order is None and not wanted.is_dropped:
        first = _first(subset, wanted.number, wanted.seed)
        places = {uid: Chosen(uid, file, row) for uid, file, row in locate(pool, np.sort(first, order=("f0", "f1")))}
        in_order: list[tuple[int, int]] = first.tolist()
        if lacking := len(in_order) - len(places):
            raise RunError(missing(lacking, pool))
        return Group("", title, subset.distinct, False, tuple(places[uid] for uid in in_order))
    inputs = Inputs(pool)
    nearest = Nearest(wanted.number)
    ordered = _Ordered(wanted.number, *order) if order is not None else None
    done = found = 0
    held = Inside(subset, pool)
    for number, file in enumerate(pool.files):
        uids = inputs.uids(file)
        inside = held.of(file)
        found += int(np.count_nonzero(inside))
        rows = np.flatnonzero(inside != wanted.is_dropped).astype(np.int64)
        if ordered is not None:
            ordered.add(pool, file.name, number, uids, rows)
        elif len(rows):
            nearest.add(_keys(uids[rows], wanted.seed), uids[rows], rows, number)
        done += file.rows
        tell("looking at samples", done, pool.rows)
    if found < subset.distinct:
        raise RunError(missing(subset.distinct - found, pool))
    if ordered is not None:
        return Group("", title, ordered.count, False, ordered.samples)
    return Group("", title, nearest.count, False, nearest.samples)


class _Ordered:
    """Of the samples of any number of files, the first in the order of a column, ties by uid; NULL comes last."""

    def __init__(self, most: int, name: str, falls: bool) -> None:
        self._most, self._name, self._falls = most, name, falls
        self._found: list[tuple[Any, Chosen]] = []
        self.count = 0

    def add(self, pool: Pool, named: str, number: int, uids: Uids, rows: NDArray[np.int64]) -> None:
        """Look among some rows of a file."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = pool.schema.get(self._name)
        assert column is not None
        self.count += len(rows)
        for table in rows_of(pool.files[number], {self._name: column.type}, rows, max(1, len(rows))):
            values = table.column(0).combine_chunks()
            if column.type is Type.BOOL:
                values = values.cast(pa.int8())
            if column.type in (Type.FLOAT, Type.DOUBLE):
                values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
            order = "descending" if self._falls else "ascending"
            sorted_ = pc.array_sort_indices(values, order=order, null_placement="at_end").to_numpy()
            last = min(self._most, len(sorted_)) - 1
            while 0 <= last < len(sorted_) - 1 and values[sorted_[last]].equals(values[sorted_[last + 1]]):
                last += 1  # ties are for the uid to break
            for at in sorted_[: last + 1]:
                row = int(rows[at])
                uid = int(uids["f0"][row]), int(uids["f1"][row])
                self._found.append((values[int(at)].as_py(), Chosen(uid, number, row)))
        self._found.sort(key=lambda one: one[1].uid)
        known = [one for one in self._found if one[0] is not None]
        known.sort(key=lambda one: one[0], reverse=self._falls)
        self._found = [*known, *(one for one in self._found if one[0] is None)][: self._most]

    @property
    def samples(self) -> tuple[Chosen, ...]:
        """What was found, in order."""
        return tuple(chosen for _, chosen in self._found)


# --- what is shown of them --------------------------------------------------------------------------------------------


def _columns(
    pool: Pool, compiled: Compiled | None, wanted: Wanted, names: Mapping[str, str], *, has_features: bool
) -> tuple[ShownColumn, ...]:
    known = {column.name: column.type for column in pool.schema.columns}
    if wanted.columns is not None:
        own = [(_own_name(name, names), name) for name in wanted.columns]
        return tuple(ShownColumn(name, label, known[name]) for name, label in own if name not in (CAPTION, URL, "uid"))
    read = compiled.program.columns if compiled is not None else ()
    chosen = [name for name in read if name in known and name not in _LEFT_OUT]
    if not any(known[name].numeric for name in chosen):
        chosen += [name for name, type_ in known.items() if type_ is Type.FLOAT][:_SCORES]
    columns = [ShownColumn(name, names.get(name, name), known[name]) for name in chosen]
    if compiled is not None and has_features:
        specs = (spec for spec in compiled.program.features if spec.output.type is not Type.EMBEDDING)
        columns += [ShownColumn(spec.name, spec.name, spec.output.type, True) for spec in specs]
    return tuple(columns)


def _shown(
    group: Group, pool: Pool, subset: Subset, columns: Sequence[ShownColumn], observed: Observed | None
) -> ShownGroup:
    told: dict[Chosen, dict[str, Any]] = {}
    known = {column.name: column.type for column in pool.schema.columns}
    own = {column.name: column.type for column in columns if not column.is_feature}
    wanted = own | {name: Type.TEXT for name in (CAPTION, URL) if known.get(name) is Type.TEXT}
    for number in sorted({one.file for one in group.samples}):
        here = sorted((one for one in group.samples if one.file == number), key=lambda one: one.row)
        rows = np.array([one.row for one in here], np.int64)
        values = read_columns(pool.files[number], wanted, rows) if wanted else {}
        features = dict(_features(columns, observed, number))
        for place, one in enumerate(here):
            told[one] = {name: _value(each[place]) for name, each in values.items()}
            told[one] |= {name: each.value[one.row].as_py() for name, each in features.items() if each.known[one.row]}
    samples = []
    for one in group.samples:
        row = told[one]
        samples.append(
            ShownSample(
                f"{one.uid[0]:016x}{one.uid[1]:016x}",
                _copies(subset, one.uid),
                row.get(CAPTION),
                row.get(URL),
                tuple(row.get(column.name) for column in columns),
            )
        )
    return ShownGroup(group.text, group.stage, group.count, group.near, tuple(samples))


def _features(columns: Sequence[ShownColumn], observed: Observed | None, number: int) -> Iterator[tuple[str, Any]]:
    if observed is None:
        return
    specs = {spec.name: spec for spec in observed.statistics.program.features}
    for column in columns:
        if column.is_feature:
            stored = observed.feature(specs[column.name], observed.pool.files[number])
            if stored is not None:
                yield column.name, stored


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _copies(subset: Subset, uid: tuple[int, int]) -> int:
    at = int(find(subset.uids, np.array([uid], UID))[0])
    if at < 0:
        return 0
    return int(subset.copies[at]) if subset.copies is not None else 1
