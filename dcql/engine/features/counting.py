"""What a run would ask of features, and how much of it is not stored: nothing is computed, and nothing stored."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.features import ID_DIGITS, StoredFeature, features_folder
from dcql.catalog.models import Asset, FeatureSpec
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Resources, Session
from dcql.engine.features import files
from dcql.engine.features.asking import Asking
from dcql.engine.features.assets import NotMadeError
from dcql.engine.features.columns import Features, Tell, identity_of
from dcql.engine.features.report import Computing
from dcql.engine.features.stages import each_demand
from dcql.engine.sources import Sources
from dcql.errors import RunError
from dcql.lower.lower import lower
from dcql.lower.program import Demand, Program
from dcql.plan.bound import Bound, demanded
from dcql.plan.nodes import AssetSet, Feature, InSet, Plan, walk
from dcql.plan.statistics import statistics
from dcql.scratch import scratch


@dataclass(frozen=True, slots=True)
class Counted:
    """A demand of a plan: a feature, why it is asked, of how many samples, and of how many it is not stored.

    Without `exact` both are upper bounds, for they depend on features that are themselves not stored. `problem` says
    why a run could not compute it, empty where it could.
    """

    spec: FeatureSpec
    why: str
    asked: int
    missing: int
    exact: bool
    problem: str


def count_demands(plan: Plan, pool: Pool, resources: Resources, tell: Tell) -> tuple[Counted, ...]:
    """Count what an optimized plan asks of features over a pool, in the order in which a run would.

    Raises RunError where the pool cannot be read.
    """
    program = lower(plan)
    unknown: frozenset[Feature | AssetSet] = frozenset()
    with scratch() as folder:
        while True:
            bound = Bound(plan, unknown)
            count = _Count(bound, pool, resources, tell, folder)
            found = count.run()
            if isinstance(found, dict):
                break
            assert not found <= unknown  # so that it comes to an end
            unknown |= found
    names = statistics(plan).names
    by_name = {names[feature]: feature for feature in demanded(plan)}
    counted = []
    told: set[str] = set()
    for demand in program.demands:
        feature = by_name[demand.name]
        exact = bound.is_exact(feature)
        for spec in feature.spec.chain[:-1]:
            if spec.name not in told:
                told.add(spec.name)
                readers = [one for one in by_name.values() if spec in one.spec.chain]
                exactly = all(bound.is_exact(one) for one in readers)
                why = f"read by {', '.join(dict.fromkeys(one.name for one in readers))}"
                asked, missing, problem = count.inner[spec.name]
                counted.append(Counted(spec, why, asked, missing, exactly, problem))
        asked, missing, problem = found[feature]
        counted.append(Counted(feature.spec, demand.why, asked, missing, exact, problem))
    return tuple(counted)


class _UnknownError(Exception):
    """Something that later demands may depend on turned out not to be known."""

    def __init__(self, nodes: Iterable[Feature | AssetSet]) -> None:
        self.nodes = frozenset(nodes)


class _NoAssetError(Exception):
    """An asset whose values are a set is not there."""

    def __init__(self, asset: Asset) -> None:
        self.asset = asset


@dataclass
class _Count:
    bound: Bound
    pool: Pool
    resources: Resources
    tell: Tell
    folder: Path
    inner: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def run(self) -> dict[Feature, tuple[int, int, str]] | frozenset[Feature | AssetSet]:
        """Return samples asked of, samples not stored, and problem by feature; or what else is not known.

        `inner` then holds the same of each feature that others read, by name.
        """
        asking_plan = self.bound.asking()
        by_name = {name: node for node, name in statistics(asking_plan).names.items() if isinstance(node, Feature)}
        found: dict[Feature, tuple[int, int, str]] = {}

        def make(program: Program, session: Session) -> Asking:
            return _Reading(program, self.pool, session, self.resources, self.folder)

        def satisfy(asking: Asking, demand: Demand) -> None:
            assert isinstance(asking, _Reading)
            node = by_name[demand.name]
            found[node] = asking.count(demand)
            self.inner |= asking.count_inner(node.spec)
            if found[node][1] and node not in self.bound.unknown:
                raise _UnknownError([node])

        try:
            program = lower(asking_plan)
            each_demand(program, self.pool, self.resources, make, satisfy, self.tell, (self.folder,))
        except _NoAssetError as error:
            return self._sets_of(error.asset)
        except _UnknownError as error:
            return error.nodes
        return found

    def _sets_of(self, asset: Asset) -> frozenset[Feature | AssetSet]:
        plan = self.bound.plan
        every = [node for rel in (*(s.relation for s in plan.stages), plan.query) for node in walk(rel)]
        sets = {node.set for node in every if isinstance(node, InSet) and isinstance(node.set, AssetSet)}
        return frozenset(one for one in sets if one.asset == asset)


class _Reading(Asking):
    """A run that takes features as they are stored, and makes neither them nor assets."""

    def __init__(self, program: Program, pool: Pool, session: Session, resources: Resources, folder: Path) -> None:
        super().__init__(program, pool, session, Computing(compute=False), resources, lambda what, done, total: None)
        self.assets.make = False
        self.features = self._known = _Known(program, pool, self.assets, folder=folder)
        self.sources = Sources(program, pool, self.features.beside)
        # Packed bits of each file.
        self._inner: dict[str, list[NDArray[np.uint8]]] = {}

    def advance(self, done: int, parameters: dict[str, Any]) -> None:
        """Make the tables of assets that are there."""
        for one in self.program.asset_sets:
            if one.after <= done:
                try:
                    self.assets.array(one.asset)
                except (NotMadeError, RunError):
                    raise _NoAssetError(one.asset) from None
        super().advance(done, parameters)

    def count(self, demand: Demand) -> tuple[int, int, str]:
        """Return of how many samples a feature is asked, for how many it is not stored, and what stands in its way."""
        spec = self.features.spec(demand.feature)
        problem = self._known.find(spec)
        rows_of = self.rows_of(demand.statement)
        asked: list[NDArray[np.uint8]] = []
        for file in self.features.pool.files:
            rows = rows_of(file)
            wanted = np.zeros(file.rows, np.bool_)
            wanted[rows if rows is not None else slice(None)] = True
            asked.append(np.packbits(wanted))
        for inner in spec.chain[:-1]:
            before = self._inner.get(inner.name, asked)
            self._inner[inner.name] = [one | other for one, other in zip(before, asked, strict=True)]
        return *self._counts(spec, asked), problem

    def count_inner(self, spec: FeatureSpec) -> dict[str, tuple[int, int, str]]:
        """Return the same of the features that a feature reads, over all that asked for them until now."""
        found = {}
        for inner in spec.chain[:-1]:
            problem = self._known.find(inner)
            found[inner.name] = *self._counts(inner, self._inner[inner.name]), problem
        return found

    def _counts(self, spec: FeatureSpec, asked: list[NDArray[np.uint8]]) -> tuple[int, int]:
        every = missing = 0
        for file, bits in zip(self.features.pool.files, asked, strict=True):
            wanted = np.unpackbits(bits, count=file.rows).view(np.bool_)
            every += int(np.count_nonzero(wanted))
            newest = self._known.newest(spec, file)
            known = files.read_known(newest, file.rows) if newest is not None else np.zeros(file.rows, np.bool_)
            missing += int(np.count_nonzero(wanted & ~known))
        return every, missing


@dataclass
class _Known(Features):
    folder: Path = Path()

    def find(self, spec: FeatureSpec) -> str:
        """Look for a feature in the store; return why a run could not compute what is missing, or nothing."""
        try:
            identity = identity_of(spec, self.assets)
            for file in self.pool.files[:1]:
                self.inputs.key(file, spec)
        except NotMadeError as error:
            return f"`{error.asset.name}` is fitted first"
        except RunError as error:
            return error.diagnostics[0].message
        place = features_folder() / identity.removeprefix("sha256:")[:ID_DIGITS]
        if spec.name not in self._stored and place.is_dir():
            self._stored[spec.name] = StoredFeature(identity, place)
            self._held.enter_context(self._stored[spec.name].reading())
        return ""

    def newest(self, spec: FeatureSpec, file: PoolFile) -> Path | None:
        """Return what is stored of a feature for a file of the pool."""
        stored = self._stored.get(spec.name)
        return stored.newest(self.inputs.key(file, spec)) if stored is not None and file.rows else None

    def path(self, spec: FeatureSpec, file: PoolFile) -> Path:
        """Return a feature's values for one file of the pool, or a file of no values outside of the store."""
        return self.newest(spec, file) or files.nothing_file(self.folder, file.rows, spec.output)
