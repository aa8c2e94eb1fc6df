"""Features and assets within a run: asked for stage by stage, and what became of them at the end."""

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import numbers, truths
from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Type
from dcql.engine.counts import asked_in
from dcql.engine.duck import Resources, Session
from dcql.engine.features.assets import Assets, set_values
from dcql.engine.features.columns import Features, RowsOf, Tell
from dcql.engine.features.digest import Scanned, content_digests, text_digest
from dcql.engine.features.fitting import Fitting
from dcql.engine.features.footer import KEY, Footer, footer_of, listed
from dcql.engine.features.margins import margins
from dcql.engine.features.report import BeforeModels, Computing, FeaturesReport
from dcql.engine.marked import ROWS_IN_BYTES
from dcql.engine.ranks import positions_of, starts_of
from dcql.engine.sources import Sources
from dcql.errors import RunError
from dcql.lower.program import Demand, Marks, Program, Told
from dcql.lower.statement import ROW, Statement, feature_column, texts_parameter


class Asking:
    """Everything that a run needs of models."""

    def __init__(
        self,
        program: Program,
        pool: Pool,
        session: Session,
        computing: Computing | None,
        resources: Resources,
        tell: Tell,
        before_models: BeforeModels | None = None,
    ) -> None:
        self.program = program
        self._pool = pool
        self._session = session
        self._tell = tell
        self._parameters: dict[str, Any] = {}
        self._stored_sets: set[str] = set()
        fitting = Fitting(pool, self._rows_on)
        self.assets = Assets(pool, fitting.fit, fitting.fitted_on)
        allowed = computing or Computing(workers=resources.threads)
        self.features = Features(program, pool, self.assets, allowed, before_models)
        self.sources = Sources(program, pool, self.features.beside)
        # Where values are stored for every feature and file, it is taken that none is missing, until the end.
        self._trusting = False
        self._newest: dict[str, list[Path]] = {}
        # Of which samples the demands ask, by their names: as the last query tells it in order, or else by place.
        self._in_order: dict[str, _Bits] = {}
        self._by_place: dict[str, NDArray[np.bool_]] = {}
        # The digests of features whose values the last query tells, where it does.
        self._scanned: Scanned | None = None
        self._starts = dict(zip((file.name for file in pool.files), starts_of(pool.files).tolist(), strict=True))

    def __enter__(self) -> Self:
        self.features.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.features.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Look what is stored."""
        self._trusting = self._can_trust()

    def advance(self, done: int, parameters: dict[str, Any]) -> None:
        """Make the tables of assets that can be made after `done` stages."""
        self._parameters = parameters
        for one in self.program.asset_sets:
            if one.after <= done and one.table not in self._stored_sets:
                self._stored_sets.add(one.table)
                values = set_values(self.assets.array(one.asset), one.asset.name)
                type_ = Type.TEXT if values and isinstance(values[0], str) else Type.INT
                self._session.store_set(one.table, type_, values)

    def _can_trust(self) -> bool:
        """Return whether one scan may show that nothing is missing.

        The last query tells rows by their order or, in an added pool, by their place in a file. Features whose assets
        are yet to be fitted are not known before that.
        """
        if self.program.fits or not (self._pool.added or self.program.in_order):
            return False
        newest = self.features.newest_files()
        if newest is None:
            return False
        self._newest = newest
        footers = self._footers([path for paths in newest.values() for path in paths])
        if footers is None:
            return False
        self.features.take_footers(footers)
        return all(footer.known for footer in footers.values())

    def _footers(self, paths: Sequence[Path]) -> dict[Path, Footer] | None:
        """Read the footers of files of values together.

        None where a file is damaged: who reads it by itself is told what is wrong.
        """
        try:
            found = self._session.footers([str(path) for path in paths], KEY)
            footers = {path: (found[str(path)][0], footer_of(found[str(path)][1])) for path in paths}
        except (RunError, KeyError, ValueError):
            return None
        if any(footer.rows != rows for rows, footer in footers.values()):
            return None
        return {path: footer for path, (_, footer) in footers.items()}

    def scan_of(self, form: Marks) -> tuple[Statement, dict[str, Any]]:
        """Return the last query in a form, and parameters of its own.

        It tells values where digests can be made of them on the way: they need not be read once more.
        """
        self._scanned = None
        texts = self._texts() if self._trusting and form.with_values is not None else None
        if texts is None or form.with_values is None:
            return form.statement, {}
        valued = [spec for spec in self.program.features if feature_column(spec.name) in form.valued]
        self._scanned = Scanned(valued, texts, self._pool.rows)
        numbered = {spec.name: number for number, spec in enumerate(self.program.features, start=1)}
        return form.with_values, {texts_parameter(numbered[name]): list(each) for name, each in texts.items()}

    def _texts(self) -> dict[str, Sequence[str]] | None:
        """Return the texts of each feature of TEXT, by name, None where the last query cannot tell the values of all.

        That is where a feature has too many texts, or numbers that are no UINTEGER, and where samples are so many that
        the digests of all features at once would take too much memory.
        """
        if self._pool.rows > ROWS_IN_BYTES:
            return None
        texts: dict[str, Sequence[str]] = {}
        for spec in self.program.features:
            footers = [self.features.footer(path) for path in self._newest.get(spec.name, ())]
            if spec.output.type is Type.TEXT:
                told = [footer.texts for footer in footers]
                every = listed({text for each in told for text in each or ()})
                if None in told or every is None:
                    return None
                texts[spec.name] = sorted(every, key=text_digest)
            elif spec.output.type is Type.INT and not all(map(_is_unsigned, footers)):
                return None
        return texts

    def observe(self, batch: Any, told: Mapping[str, Told]) -> None:
        """Note which samples of a batch the demands ask of: they are the next ones of the pool."""
        asked = {name: asked_in(batch, name, told) for name in self.observed}
        for name, found in asked.items():
            self._in_order.setdefault(name, _Bits()).add(found)
        if self._scanned is not None:
            self._scanned.begin(
                batch, {name: self._asked_in(name, asked, batch.num_rows) for name in self._scanned.names}
            )

    def observe_ranks(self, here: slice, ranks: NDArray[Any]) -> None:
        """Note the ranks, (n,), of some samples of the batch that was observed last."""
        if self._scanned is not None:
            self._scanned.take(here, ranks)

    def _asked_in(self, name: str, asked: Mapping[str, NDArray[np.bool_]], rows: int) -> NDArray[np.bool_]:
        """Return of which samples of a batch anything asks a feature, (rows,), given what each demand does."""
        found = [asked.get(demand.name) for demand in self.features.demands_of(self.features.spec(name))]
        first, *more = (np.ones(rows, np.bool_) if one is None else one for one in found)
        for one in more:
            first = first | one
        return first

    def observe_places(self, batch: Any) -> None:
        """Note which samples of a batch the demands ask of: they are told by their places."""
        if self.observed:
            at = positions_of(numbers(batch.column(ROW)), starts_of(self._pool.files))
            for name in self.observed:
                self._placed(name)[at] = truths(batch.column(name))

    @property
    def observed(self) -> tuple[str, ...]:
        """The demands of which the last query tells whom they ask of, sample by sample, where that is to be noted."""
        return tuple(one.name for one in self.program.demands if self._trusting and one.statement is not None)

    def note(self, file: PoolFile, asked: Mapping[str, NDArray[np.bool_]]) -> None:
        """Note what `observe` does, of the rows of a file in order."""
        for name, told in asked.items():
            self._of_file(self._placed(name), file)[:] = told

    def _placed(self, name: str) -> NDArray[np.bool_]:
        """Return of which samples of the pool a demand asks, (samples,), to be written to."""
        if name not in self._by_place:
            self._by_place[name] = np.zeros(self._pool.rows, np.bool_)
        return self._by_place[name]

    def _of_file(self, asked: NDArray[np.bool_], file: PoolFile) -> NDArray[np.bool_]:
        return asked[self._starts[file.name] :][: file.rows]

    def confirmed(self) -> bool:
        """Return whether nothing was missing; else everything has to be done again, and will be asked for."""
        if not self._trusting:
            return True
        asked = {demand.name: self._asked_by_file(demand) for demand in self.program.demands}
        self._trusting = False
        self._in_order.clear()
        self._by_place.clear()
        if self.features.confirm(asked, self._scanned.without_null if self._scanned is not None else ()):
            return True
        self._scanned = None
        return False

    def _asked_by_file(self, demand: Demand) -> list[NDArray[np.uint8]]:
        """Return which rows of each file a demand asks of, packed bits."""
        if demand.statement is None:
            return [np.packbits(np.ones(file.rows, np.bool_)) for file in self._pool.files]
        if demand.name in self._in_order:
            return self._in_order[demand.name].cut([file.rows for file in self._pool.files])
        placed = self._placed(demand.name)
        return [np.packbits(self._of_file(placed, file)) for file in self._pool.files]

    def satisfy(self, demand: Demand) -> None:
        """Make a feature known for the samples that it is asked of."""
        if self._trusting:
            return
        self.features.satisfy(demand.name, demand.feature, self.rows_of(demand.statement), self._tell)

    def report(self) -> FeaturesReport:
        """Return what became of the features."""
        features = self.features
        digests = content_digests(features, self._pool, self._scanned) if self._pool.added else {}
        given = [one.asset for one in self.program.asset_sets]
        given += [one.asset for spec in self.program.every_feature for one in spec.assets]
        assets: dict[str, str] = {}
        for asset in given:
            name, digest = asset.name, self.assets.digest(asset)
            # A recipe and one that it imports may each have an asset of one name.
            while assets.get(name, digest) != digest:
                name += "'"
            assets[name] = digest
        uses = tuple(features.uses[spec.name] for spec in self.program.every_feature)
        near = margins(features, self._parameters)
        asked = {name: sum(map(_ones, files)) for name, files in features.asked.items()}
        return FeaturesReport(uses, near, dict(sorted(assets.items())), digests, asked)

    def _rows_on(self, name: str) -> RowsOf:
        return self.rows_of(next(fit.statement for fit in self.program.fits if fit.on == name))

    def rows_of(self, statement: Statement | None) -> RowsOf:
        """Return what gives the rows of a file that a statement tells, None for all of them."""

        def rows(file: PoolFile) -> NDArray[np.int64] | None:
            if statement is None:
                return None
            if not file.rows:
                return np.empty(0, np.int64)
            batches = self._session.batches(statement, self.sources.rows_of_file(file), self._parameters)
            found = [numbers(batch.column("id")) for batch in batches]
            # Looking things up in tables may change the order.
            return np.sort(np.concatenate(found).astype(np.int64)) if found else np.empty(0, np.int64)

        return rows


def _is_unsigned(footer: Footer) -> bool:
    """Return whether the whole numbers of a file are known to be UINTEGERs."""
    return footer.least is not None and footer.most is not None and footer.least >= 0 and footer.most < 2**32


def _ones(bits: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(np.unpackbits(bits)))


class _Bits:
    """Truth values that come some at a time, 8 a byte: memory of a byte for each would cost more than what fills it."""

    def __init__(self) -> None:
        self._packed: list[NDArray[np.uint8]] = []
        self._rest = np.empty(0, np.bool_)

    def add(self, truths: NDArray[np.bool_]) -> None:
        """Append the next ones, (n,)."""
        if len(self._rest):
            truths = np.concatenate([self._rest, truths])
        whole = len(truths) // 8 * 8
        self._packed.append(np.packbits(truths[:whole]))
        self._rest = truths[whole:].copy()

    def cut(self, lengths: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the first `lengths[0]` of them, packed, then the next `lengths[1]`, and so on."""
        bits = np.concatenate([*self._packed, np.packbits(self._rest)])
        ends = np.cumsum(lengths, dtype=np.int64).tolist()
        return [
            np.packbits(np.unpackbits(bits[start // 8 : (end + 7) // 8])[start % 8 :][: end - start])
            for start, end in zip([0, *ends], ends, strict=False)
        ]
