"""The features of a run: which samples each is asked of, what is stored, and computing what is not."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import indices
from dcql.catalog.features import StoredFeature, features_folder, open_feature
from dcql.catalog.models import FeatureSpec, input_to_json
from dcql.catalog.pool import Pool, PoolFile
from dcql.dataclass import dataclass
from dcql.engine.features.assets import Assets
from dcql.engine.features.footer import Footer
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.report import BeforeModels, Computing, Use
from dcql.engine.features.weights import weights_of
from dcql.errors import Diagnostic, RunError
from dcql.lower.program import Demand, Program

if TYPE_CHECKING:
    from dcql.engine.features.files import Values  # it brings in Arrow, which most runs do without, here and below

# The rows of a file that something asks for, ascending; None for all of them.
RowsOf = Callable[[PoolFile], NDArray[np.int64] | None]
Tell = Callable[[str, int, int], None]


@dataclass
class Features:
    """The features of one run. `asked` holds, by the name of a demand, packed bits for each file of the pool.

    `before_models` is called before a model computes anything for a demand, with the demands that are not met yet.
    """

    program: Program
    pool: Pool
    assets: Assets
    computing: Computing = field(default_factory=Computing)
    before_models: BeforeModels | None = None
    asked: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = Inputs(self.pool)
        self._stored: dict[str, StoredFeature] = {}
        # The versions that a run reads, by feature and file of the pool, until it makes more known.
        self._paths: dict[tuple[str, str], Path] = {}
        self._footers: dict[Path, Footer] = {}
        # Of each feature, the names of those that read it, its own among them.
        self._readers: dict[str, set[str]] = {}
        self._held = ExitStack()

    def __enter__(self) -> "Features":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def spec(self, name: str) -> FeatureSpec:
        """Return the feature called `name`."""
        return next(spec for spec in self.program.every_feature if spec.name == name)

    def stored(self, spec: FeatureSpec) -> StoredFeature:
        """Return a feature's place in the store; its versions stay until the run ends."""
        if spec.name not in self._stored:
            found = stored_feature(spec, self.assets)
            self._held.enter_context(found.reading())
            self._stored[spec.name] = found
            weights = weights_of(spec)
            self.uses[spec.name] = Use(spec, found.id, weights.file if weights is not None else "")
        return self._stored[spec.name]

    def beside(self, files: tuple[PoolFile, ...]) -> dict[str, tuple[str, ...]]:
        """Return the files of values as they are now, by parameter of the SQL, beside some files of the pool."""
        return {
            f"feature{number}": tuple(str(self.path(spec, file)) for file in files)
            for number, spec in enumerate(self.program.features, start=1)
        }

    def path(self, spec: FeatureSpec, file: PoolFile) -> Path:
        """Return a feature's values for one file of the pool."""
        if not self._is_ready(spec):
            from dcql.engine.features.files import nothing_file

            return nothing_file(features_folder(), file.rows, spec.output)
        asked = (spec.name, file.name)
        if asked not in self._paths:
            stored, key = self.stored(spec), self.inputs.key(file, spec)
            self._paths[asked] = stored.newest(key) or _begun(stored, key, file.rows, spec)
        return self._paths[asked]

    def newest_files(self) -> dict[str, list[Path]] | None:
        """Return the values of every feature, by its name, for the files of the pool that have rows.

        None where one has no file of values: nothing of it is stored there.
        """
        found: dict[str, list[Path]] = {}
        for spec in self.program.every_feature:
            stored = self.stored(spec)
            for file in self.pool.files:
                newest = stored.newest(self.inputs.key(file, spec)) if file.rows else None
                if newest is not None:
                    self._paths[spec.name, file.name] = newest
                    found.setdefault(spec.name, []).append(newest)
                elif file.rows:
                    return None
        return found

    def take_footers(self, footers: Mapping[Path, Footer]) -> None:
        """Take over what the footers of files of values say, which never change."""
        self._footers |= footers

    def footer(self, path: Path) -> Footer:
        """Return what the footer of a file of values says. Raises RunError where it is damaged."""
        if path not in self._footers:
            from dcql.engine.features.files import read_footer

            self._footers[path] = read_footer(path)
        return self._footers[path]

    def _is_ready(self, spec: FeatureSpec) -> bool:
        """Return whether it is known what a feature is: its assets may be fitted later in the run."""
        return spec.name in self._stored

    def satisfy(self, name: str, feature: str, rows: RowsOf, tell: Tell) -> None:
        """Make a feature known for the rows that demand `name` asks of: `rows` of a file, None for all of them.

        The features that it reads are asked of the same rows. Raises RunError where something is missing and must not
        be computed, or more samples fail than may.
        """
        asked: list[NDArray[np.uint8]] = []
        for file in self.pool.files:
            wanted = np.zeros(file.rows, np.bool_)
            found = rows(file)
            wanted[found if found is not None else slice(None)] = True
            asked.append(np.packbits(wanted))
        self.asked[name] = asked
        for spec in self.spec(feature).chain:
            self._make_known(name, spec, tell)

    def _make_known(self, name: str, spec: FeatureSpec, tell: Tell) -> None:
        stored = self.stored(spec)
        self._paths.clear()  # others may have stored more meanwhile, and this run may
        missing: list[NDArray[np.int64]] = []
        for number, file in enumerate(self.pool.files):
            wanted = self.positions(name, number)
            newest = stored.newest(self.inputs.key(file, spec)) if file.rows else None
            if newest is not None:
                wanted = wanted[~_read_known(newest, file.rows)[wanted]]
            missing.append(wanted)
        if total := sum(len(each) for each in missing):
            if self.before_models is not None:
                met = self.asked.keys() - {name}
                self.before_models(frozenset(demand.name for demand in self.program.demands if demand.name not in met))
            self._compute(spec, missing, total, tell)
        self._told(spec)

    def confirm(self, asked: dict[str, list[NDArray[np.uint8]]], certain: Collection[str] = ()) -> bool:
        """Take over what demands ask of, as in `asked`, if all of it is stored; return whether it is.

        Features that are `certain` have a value wherever they are asked, and values are of rows that are known.
        """
        for demand in self.program.demands:
            for spec in (one for one in self.spec(demand.feature).chain if one.name not in certain):
                for file, wanted in zip(self.pool.files, asked[demand.name], strict=True):
                    if not self._is_known(spec, file, wanted):
                        return False
        self.asked = asked
        for spec in self.program.every_feature:
            self._told(spec)
        return True

    def _is_known(self, spec: FeatureSpec, file: PoolFile, wanted: NDArray[np.uint8]) -> bool:
        """Return whether a feature is stored for all of the rows of a file that are `wanted`, packed bits."""
        if not file.rows:
            return True
        path = self.path(spec, file)
        footer = self.footer(path)
        if footer.is_complete and footer.rows == file.rows:
            return True
        return not (wanted & ~np.packbits(_read_known(path, file.rows))).any()

    def positions(self, name: str, number: int) -> NDArray[np.int64]:
        """Return the rows of the pool's n-th file that a demand asks of, ascending."""
        rows = self.pool.files[number].rows
        return np.flatnonzero(np.unpackbits(self.asked[name][number], count=rows))

    def asked_of(self, spec: FeatureSpec, number: int) -> NDArray[np.int64]:
        """Return the rows of the pool's n-th file that anything asks a feature of, ascending."""
        return np.flatnonzero(self.is_asked(spec, number))

    def is_asked(self, spec: FeatureSpec, number: int) -> NDArray[np.bool_]:
        """Return which rows of the pool's n-th file anything asks a feature of, (rows,) bool."""
        rows = self.pool.files[number].rows
        bits = np.zeros((rows + 7) // 8, np.uint8)
        for demand in self.demands_of(spec):
            if demand.name in self.asked:
                bits |= self.asked[demand.name][number]
        return np.unpackbits(bits, count=rows).view(np.bool_)

    def demands_of(self, spec: FeatureSpec) -> list[Demand]:
        """Return what asks for a feature, itself or through one that reads it."""
        if spec.name not in self._readers:
            self._readers[spec.name] = {one.name for one in self.program.every_feature if spec in one.chain}
        return [demand for demand in self.program.demands if demand.feature in self._readers[spec.name]]

    def values(self, spec: FeatureSpec, number: int) -> "Values":
        """Return a feature's values for the pool's n-th file."""
        from dcql.engine.features.files import read_values

        file = self.pool.files[number]
        return read_values(self.path(spec, file), file.rows)

    def value(self, spec: FeatureSpec, number: int) -> Any:
        """Return a feature's values alone for the pool's n-th file, as `files.read_value` does."""
        from dcql.engine.features.files import read_value

        file = self.pool.files[number]
        return read_value(self.path(spec, file), file.rows)

    def vectors(self, spec: FeatureSpec, number: int) -> NDArray[np.float16]:
        """Return an EMBEDDING feature's vectors for the pool's n-th file, (rows, d), anything where there is none."""
        from dcql.engine.features.vectors import vectors_or_none

        file = self.pool.files[number]
        return vectors_or_none(self.path(spec, file), self.value(spec, number))

    # --- computing ----------------------------------------------------------------------------------------------------

    def _compute(self, spec: FeatureSpec, missing: list[NDArray[np.int64]], total: int, tell: Tell) -> None:
        if not self.computing.compute:
            raise RunError(
                Diagnostic(
                    "E0607",
                    f"`{spec.name}` is not stored for {total:,} samples",
                    None,
                    "and nothing is to be computed",
                    (f"run without --no-compute, or `dcql feature compute {spec.name} --pool {self.pool.name}`",),
                )
            )
        tell(spec.name, 0, total)
        done = 0
        for rows in self._elsewhere(spec, missing) if self.computing.spread else self._here(spec, missing, total):
            done += rows
            tell(spec.name, done, total)
        self.uses[spec.name].computed += done

    def _here(self, spec: FeatureSpec, missing: list[NDArray[np.int64]], total: int) -> Iterator[int]:
        """Compute and store a feature for rows of each file; yield how many more rows are stored."""
        from dcql.engine.features.answering import answers_for  # most runs find everything stored
        from dcql.engine.features.files import merge
        from dcql.engine.features.rates import note_rate
        from dcql.engine.features.running import Running

        done = 0
        started = time.monotonic()
        with Running(spec, self.assets, self.computing, total) as running:
            for file, positions in zip(self.pool.files, missing, strict=True):
                if not len(positions):
                    continue
                key = self.inputs.key(file, spec)
                for where, answers in answers_for(running, self.inputs, spec, file, positions, self.path):
                    merge(self.stored(spec), key, file.rows, spec, where, answers)
                    done += len(where)
                    yield len(where)
            lanes = running.lanes
        note_rate(spec.model.name, done, time.monotonic() - started, lanes)

    def _elsewhere(self, spec: FeatureSpec, missing: list[NDArray[np.int64]]) -> Iterator[int]:
        """Let others compute and store a feature for rows of each file; yield how many more rows are stored."""
        from dcql.engine.features.by_file import loading_of, share_of

        assert self.computing.spread is not None
        shares = (
            share_of(spec, self.inputs, file, self.stored(spec), positions, self.path)
            for file, positions in zip(self.pool.files, missing, strict=True)
            if len(positions)
        )
        yield from self.computing.spread(loading_of(spec, self.assets, self.computing), shares)

    def _told(self, spec: FeatureSpec) -> None:
        """Count what was asked for until now, and refuse a model that failed too often."""
        use = self.uses[spec.name]
        use.asked, use.failed, use.reasons = 0, 0, {}
        for number, file in enumerate(self.pool.files):
            asked = int(np.count_nonzero(self.is_asked(spec, number)))
            use.asked += asked
            if not asked or not self.footer(self.path(spec, file)).failed:
                continue
            here = self.asked_of(spec, number)
            for reason in self.values(spec, number).failure.take(indices(here)).drop_null().to_pylist():
                use.failed += 1
                use.reasons[reason] = use.reasons.get(reason, 0) + 1
        if use.failed > self.computing.max_failures * use.asked:
            common = sorted(use.reasons.items(), key=lambda item: (-item[1], item[0]))[:3]
            reasons = "; ".join(f"{count:,} times {reason}" for reason, count in common)
            raise RunError(
                Diagnostic(
                    "E0612",
                    f"`{spec.name}` failed on {use.failed:,} of {use.asked:,} samples",
                    None,
                    reasons,
                    (
                        f"more than {_percent(self.computing.max_failures)} may not fail; allow it with --max-failures",
                        "the samples have NULL, and what was computed is stored",
                    ),
                )
            )


def _begun(stored: StoredFeature, key: str, rows: int, spec: FeatureSpec) -> Path:
    from dcql.engine.features.files import ensure

    return ensure(stored, key, rows, spec.output)


def _read_known(path: Path, rows: int) -> NDArray[np.bool_]:
    from dcql.engine.features.files import read_known

    return read_known(path, rows)


def stored_feature(spec: FeatureSpec, assets: Assets) -> StoredFeature:
    """Return the place in the store of a feature, with the weights that are here and the assets of a run."""
    weights = weights_of(spec)
    digests = {one.parameter: assets.digest(one.asset) for one in spec.assets}
    described = {
        **declared(spec),
        "weights": weights.file if weights is not None else None,
        "assets": digests,
        "licence": spec.model.licence,
        "cite": spec.model.cite,
        **({"reads": _inner_ids(spec, assets)} if spec.inner else {}),
    }
    return open_feature(spec, identity_of(spec, assets), described)


def identity_of(spec: FeatureSpec, assets: Assets) -> str:
    """Return the id of a feature, with the weights that are here and the assets of a run."""
    weights = weights_of(spec)
    digests = {one.parameter: assets.digest(one.asset) for one in spec.assets}
    return spec.identity(weights.sha256 if weights is not None else "", digests, _inner_ids(spec, assets))


def _inner_ids(spec: FeatureSpec, assets: Assets) -> dict[str, str]:
    return {parameter: identity_of(inner, assets) for parameter, inner in spec.inner.items()}


def declared(spec: FeatureSpec) -> dict[str, Any]:
    """Return what a FEATURE says of its values, as plain data: all but which weights and assets are here."""
    return {
        "model": spec.model.name,
        "version": spec.model.version,
        "code": spec.model.code.sha256 if spec.model.code is not None else None,
        "output": spec.output.text,
        "inputs": [input_to_json(one) for one in spec.inputs],
        "options": {name: str(value) for name, value in spec.options.items()},
        **({"features": {name: declared(inner) for name, inner in spec.inner.items()}} if spec.inner else {}),
    }


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g} %"
