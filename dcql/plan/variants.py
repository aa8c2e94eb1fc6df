"""Several plans as one: what they have in common is there once.

Stages, features and assets of one name may be different things in different plans. Here those that are the same, all
that they refer to included, are one, and others get a name of their own. A statistic or a clause that two plans share
is then the same node, whatever its plans call what it reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dcql.catalog.models import Asset, AssetArgument, FeatureArgument, FeatureSpec, FitAsset, MadeAsset, ModelArgument
from dcql.plan.nodes import (
    AssetSet,
    Feature,
    InSet,
    Limit,
    N,
    Node,
    Plan,
    PoolScan,
    Quantile,
    Ref,
    Rel,
    SampleRows,
    Stage,
    transform,
)
from dcql.plan.statistics import StatisticNode, Statistics, called, statistics
from dcql.plan.written import Writer

EVERY = Plan((), PoolScan(), (), ())  # keeps every sample


@dataclass(frozen=True, slots=True)
class Alone:
    """A statistic of one plan: its name among all plans, and what it is called in its own.

    `text` and `population` are as its own plan has them: others may write the same q otherwise, and name the same stage
    otherwise. They are None for what is neither a threshold nor a cut: they follow from the statistic.
    """

    shared: str
    name: str
    text: str | None
    population: str | None


@dataclass(frozen=True)
class Merged:
    """Several plans as one. `plan` has the stages of all, and the query of each as one more; it selects every sample.

    `queries` names the stage of each plan's query, the same for plans that mean the same. `statistics` gives each
    plan's own, in the order in which they are found when it runs alone.
    """

    plan: Plan
    queries: tuple[str, ...]
    statistics: tuple[tuple[Alone, ...], ...]


def merge(plans: Sequence[Plan]) -> Merged:
    """Merge plans; their promises and the values of their PARAMs are left out."""
    merging = _Merging()
    renamings = [merging.add(plan) for plan in plans]
    queries = [renaming(plan.query) for plan, renaming in zip(plans, renamings, strict=True)]
    # A stroke is in no name of a recipe.
    names = {query: f"variant'{number}" for number, query in enumerate(dict.fromkeys(queries), start=1)}
    stages = (*merging.stages, *(Stage(name, query) for query, name in names.items()))
    merged = Plan(stages, PoolScan(), (), ())
    shared = statistics(merged).names
    own = (tuple(_alone(plan, renaming, shared)) for plan, renaming in zip(plans, renamings, strict=True))
    return Merged(merged, tuple(names[query] for query in queries), tuple(own))


def _alone(plan: Plan, renaming: "_Renaming", shared: Mapping[StatisticNode, str]) -> Iterator[Alone]:
    own = statistics(plan)
    for level in range(1, own.stages + 1):
        for node in _as_found(own, level):
            yield Alone(shared[renaming(node)], own.names[node], *_words(node))


def _words(node: StatisticNode) -> tuple[str, str] | tuple[None, None]:
    """Return the text and the population of a statistic."""
    match node:
        case Quantile():
            return node.text, called(node.population)
        case Limit() | SampleRows():
            return Writer().cut(node), ""
        case _:
            return None, None


def _as_found(own: Statistics, level: int) -> Iterator[StatisticNode]:
    """Yield the statistics of a stage as they are found: those of one scan first, value by value."""
    here = [node for node in own.stage(level) if not isinstance(node, Feature)]
    scanned: dict[tuple[Rel, object], list[Quantile]] = {}
    for node in here:
        if isinstance(node, Quantile) and not node.by:
            scanned.setdefault((node.population, node.expr), []).append(node)
    for group in scanned.values():
        yield from group
    yield from (node for node in here if not (isinstance(node, Quantile) and not node.by))


@dataclass
class _Merging:
    stages: list[Stage] = field(default_factory=list)
    _names: dict[tuple[Rel, bool], str] = field(default_factory=dict)
    _features: dict[str, FeatureSpec] = field(default_factory=dict)

    def add(self, plan: Plan) -> "_Renaming":
        """Add the stages of a plan; return what renames its nodes."""
        renaming = _Renaming(self)
        for stage in plan.stages:
            renaming.stages[stage.name] = self._stage(replace(stage, relation=renaming(stage.relation)))
        return renaming

    def _stage(self, stage: Stage) -> str:
        key = stage.relation, stage.demand
        if key not in self._names:
            taken = {known.name for known in self.stages}
            self._names[key] = next(name for name in _numbered(stage.name) if name not in taken)
            self.stages.append(replace(stage, name=self._names[key]))
        return self._names[key]

    def feature(self, spec: FeatureSpec) -> FeatureSpec:
        """Return a feature under a name that no other one has."""
        for name in _numbered(spec.name):
            named = replace(spec, name=name)
            if self._features.setdefault(name, named) == named:
                return named
        raise AssertionError


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, then the same with a number behind a stroke, which is in no name of a recipe."""
    yield name
    number = 2
    while True:
        yield f"{name}'{number}"
        number += 1


@dataclass
class _Renaming:
    """Renames the nodes of one plan; `stages` are its stages by their own names."""

    merging: _Merging
    stages: dict[str, str] = field(default_factory=dict)

    def __call__(self, node: N) -> N:
        """Rename a node and all that is inside."""
        return transform(node, self._rule)

    def _rule(self, node: Node) -> Node:
        match node:
            case Ref():
                return Ref(self.stages[node.name])
            case Feature():
                spec = self._feature(node.spec)
                return replace(node, name=spec.name, spec=spec)
            case InSet(set=AssetSet() as named):
                return replace(node, set=replace(named, asset=self._asset(named.asset)))
            case _:
                return node

    def _feature(self, spec: FeatureSpec) -> FeatureSpec:
        arguments: list[ModelArgument] = []
        for one in spec.arguments:
            match one:
                case AssetArgument():
                    arguments.append(replace(one, asset=self._asset(one.asset)))
                case FeatureArgument():
                    arguments.append(replace(one, feature=self._feature(one.feature)))
                case _:
                    arguments.append(one)
        return self.merging.feature(replace(spec, arguments=tuple(arguments)))

    def _asset(self, asset: Asset) -> Asset:
        match asset:
            case FitAsset() if asset.on in self.stages:
                return replace(asset, on=self.stages[asset.on])
            case MadeAsset():
                return replace(asset, of=tuple(self._asset(one) for one in asset.of))
            case _:
                return asset
