"""What two plans call by one name and define differently: assets, models, features and sets.

Such a definition is one edit, however many clauses use it. The first plan is rewritten to the definitions of the
second before the two are aligned, and a mix of both is written back where the edit is undone.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from dcql.catalog.models import (
    Asset,
    AssetArgument,
    FeatureArgument,
    FeatureSpec,
    FileAsset,
    FitAsset,
    MadeAsset,
    ModelSpec,
    PoolAsset,
)
from dcql.plan import nodes
from dcql.plan.explain import argument_text
from dcql.source import Span

T = TypeVar("T")
Named = Asset | ModelSpec | FeatureSpec | nodes.NamedSet | nodes.NamedTable
_KINDS = (PoolAsset, FileAsset, MadeAsset, FitAsset, ModelSpec, FeatureSpec, nodes.NamedSet, nodes.NamedTable)


@dataclass(frozen=True, slots=True)
class Redefined:
    """A name that both plans define: `a` with everything it is made of as in the second plan, and `b`.

    `kind` is asset, model, feature, set or table.
    """

    kind: str
    name: str
    a: Named
    b: Named

    @property
    def a_refers(self) -> tuple[str, ...]:
        """The stages that `a` is fitted on."""
        needs = _needs(self.a) if isinstance(self.a, FeatureSpec) else ()
        if isinstance(self.a, MadeAsset | FitAsset):
            needs = _asset_needs(self.a)
        return tuple(one.name for one in needs if isinstance(one, nodes.Ref))

    @property
    def told(self) -> tuple[str, str]:
        """What differs, on both sides."""
        return _told(self.a, self.b)


def without_demand(plan: nodes.Plan) -> nodes.Plan:
    """Return a plan before `assign_demand`, without promises: its features are asked of nothing yet."""
    stages = tuple(stage for stage in plan.stages if not stage.demand)
    return nodes.transform_plan(replace(plan, stages=stages, promises=()), _asks_nothing)


def _asks_nothing(node: nodes.Node) -> nodes.Node:
    return replace(node, demand=None) if isinstance(node, nodes.Feature) else node


def redefined(a: nodes.Plan, b: nodes.Plan) -> tuple[nodes.Plan, tuple[Redefined, ...]]:
    """Return the first plan with the definitions of the second, and what that changed, inner parts first.

    A name that one of the plans gives to several things is left alone, as is a feature that became one of another type:
    there the clauses differ.
    """
    found: list[Redefined] = []
    kinds = ("asset", _assets), ("model", _models), ("feature", _features), ("set", _sets), ("table", _tables)
    read = {
        (node.table.name, node.name)
        for plan in (a, b)
        for node in every_node(plan)
        if isinstance(node, nodes.TableColumn)
    }
    for kind, names in kinds:
        wanted = _unique(names(b))
        done: set[str] = set()
        # An asset may be made of assets, a feature of features: each is compared once all inside of it agrees.
        while True:
            known = _unique(names(a))
            waiting = [name for name in known if name in wanted and name not in done]
            if not waiting:
                break
            name = min(waiting, key=lambda one: _depth(known[one]))
            done.add(name)
            old, new = known[name], wanted[name]
            if old != new and _can_replace(old, new) and _has_all(old, new, read):
                found.append(Redefined(kind, name, old, new))
                a = swapped_plan(a, {old: new})
    return a, tuple(found)


def swapped_plan(plan: nodes.Plan, swaps: dict[Named, Named]) -> nodes.Plan:
    """Return a plan with definitions replaced, wherever they stand."""
    swap = swapping(swaps)
    stages = tuple(replace(stage, relation=swap(stage.relation)) for stage in plan.stages)
    return replace(plan, stages=stages, query=swap(plan.query))


def fits_of(node: nodes.Node) -> Iterator[FitAsset]:
    """Yield the assets that are fitted to samples, of a node itself."""
    if isinstance(node, nodes.Feature):
        yield from (asset for asset in _assets_of(node.spec) if isinstance(asset, FitAsset))
    elif isinstance(node, nodes.InSet) and isinstance(node.set, nodes.AssetSet):
        yield from (asset for asset in _inside(node.set.asset) if isinstance(asset, FitAsset))


def uses(node: nodes.Node) -> frozenset[tuple[str, str]]:
    """Return (kind, name) of every definition that a node uses, deep inside too."""
    found: set[tuple[str, str]] = set()
    for one in nodes.walk(node):
        if isinstance(one, nodes.Feature):
            for spec in one.spec.chain:
                found |= {("feature", spec.name), ("model", spec.model.name)}
            found |= {("asset", asset.name) for asset in _assets_of(one.spec)}
        elif isinstance(one, nodes.InSet) and isinstance(one.set, nodes.AssetSet):
            found |= {("asset", asset.name) for asset in _inside(one.set.asset)}
        elif isinstance(one, nodes.InSet):
            found.add(("set", one.set.name))
        elif isinstance(one, nodes.TableColumn | nodes.InTable):
            found.add(("table", one.table.name))
    return frozenset(found)


# --- names ------------------------------------------------------------------------------------------------------------


def _unique(pairs: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    """Return what has each name, without the names of several things."""
    found: dict[str, dict[Any, None]] = {}
    for name, value in pairs:
        found.setdefault(name, {})[value] = None
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def every_node(plan: nodes.Plan) -> Iterator[nodes.Node]:
    """Yield all nodes of a plan."""
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        yield from nodes.walk(relation)


def _specs(plan: nodes.Plan) -> Iterator[FeatureSpec]:
    for node in every_node(plan):
        if isinstance(node, nodes.Feature):
            yield from node.spec.chain


def _features(plan: nodes.Plan) -> Iterator[tuple[str, FeatureSpec]]:
    yield from ((spec.name, spec) for spec in _specs(plan))


def _models(plan: nodes.Plan) -> Iterator[tuple[str, ModelSpec]]:
    yield from ((spec.model.name, spec.model) for spec in _specs(plan))


def _sets(plan: nodes.Plan) -> Iterator[tuple[str, nodes.NamedSet]]:
    for node in every_node(plan):
        if isinstance(node, nodes.InSet) and isinstance(node.set, nodes.NamedSet):
            yield node.set.name, node.set


def _tables(plan: nodes.Plan) -> Iterator[tuple[str, nodes.NamedTable]]:
    for node in every_node(plan):
        if isinstance(node, nodes.TableColumn | nodes.InTable):
            yield node.table.name, node.table


def _assets(plan: nodes.Plan) -> Iterator[tuple[str, Asset]]:
    for node in every_node(plan):
        if isinstance(node, nodes.Feature):
            yield from ((asset.name, asset) for asset in _assets_of(node.spec))
        elif isinstance(node, nodes.InSet) and isinstance(node.set, nodes.AssetSet):
            yield from ((asset.name, asset) for asset in _inside(node.set.asset))


def _assets_of(spec: FeatureSpec) -> Iterator[Asset]:
    for one in spec.chain:
        for argument in one.assets:
            yield from _inside(argument.asset)


def _inside(asset: Asset) -> Iterator[Asset]:
    yield asset
    if isinstance(asset, MadeAsset):
        for part in asset.of:
            yield from _inside(part)


def _depth(value: Named) -> int:
    match value:
        case FeatureSpec():
            return len(value.chain)
        case MadeAsset():
            return 1 + max((_depth(part) for part in value.of), default=0)
        case _:
            return 1


def _can_replace(old: Named, new: Named) -> bool:
    match old, new:
        case (FeatureSpec(), FeatureSpec()):
            return old.output.type is new.output.type
        case (nodes.NamedSet(), nodes.NamedSet()):
            return old.type is new.type
        case (nodes.NamedTable(), nodes.NamedTable()):
            return old.key == new.key
        case (ModelSpec(), ModelSpec()):
            # With other parameters the arguments differ as well, and the feature is what changed.
            return (old.parameters, old.output) == (new.parameters, new.output)
        case _:
            return True


def _has_all(old: Named, new: Named, read: Container[tuple[str, str]]) -> bool:
    """Return whether a table has the columns of another one that are `read`, by table and name, in the same types."""
    if not (isinstance(old, nodes.NamedTable) and isinstance(new, nodes.NamedTable)):
        return True
    olds, news = dict(old.columns), dict(new.columns)
    names = [name for name in (*olds, *news) if (old.name, name) in read]
    return all(olds.get(name) is news.get(name) for name in names)


# --- replacing --------------------------------------------------------------------------------------------------------


def swapping(swaps: dict[Named, Named]) -> Callable[[T], T]:
    """Return a function that replaces definitions in a relation, wherever they stand in it."""
    known: dict[int, tuple[object, object]] = {}

    def swap(value: Any) -> Any:
        if isinstance(value, tuple):
            new = tuple(swap(item) for item in value)
            return new if any(x is not y for x, y in zip(new, value, strict=True)) else value
        if not is_dataclass(value) or isinstance(value, Span | type):
            return value
        if id(value) in known:
            return known[id(value)][1]
        changed = {}
        for item in fields(value):
            old = getattr(value, item.name)
            new = swap(old)
            if new is not old:
                changed[item.name] = new
        result = replace(value, **changed) if changed else value
        if isinstance(result, nodes.Feature):
            result = replace(result, needs=tuple(dict.fromkeys(_needs(result.spec))))
        elif isinstance(result, nodes.InSet) and isinstance(result.set, nodes.AssetSet):
            result = replace(result, needs=tuple(dict.fromkeys(_asset_needs(result.set.asset))))
        elif isinstance(result, _KINDS):
            result = swaps.get(result, result)
        known[id(value)] = value, result  # with the value, so that its id stays its own
        return result

    return swap


def _needs(spec: FeatureSpec) -> Iterator[nodes.PoolScan | nodes.Ref]:
    for argument in spec.arguments:
        if isinstance(argument, AssetArgument):
            yield from _asset_needs(argument.asset)
        elif isinstance(argument, FeatureArgument):
            yield from _needs(argument.feature)


def _asset_needs(asset: Asset) -> Iterator[nodes.PoolScan | nodes.Ref]:
    if isinstance(asset, FitAsset):
        yield nodes.PoolScan() if asset.on == "pool" else nodes.Ref(asset.on)
    elif isinstance(asset, MadeAsset):
        for part in asset.of:
            yield from _asset_needs(part)


# --- words ------------------------------------------------------------------------------------------------------------


def _told(a: Named, b: Named) -> tuple[str, str]:
    match a, b:
        case (FeatureSpec(), FeatureSpec()):
            if _made(a) != _made(b):
                return _made(a), _made(b)
            return f"{a.model.name} with inner parts of A", f"{b.model.name} with inner parts of B"
        case (ModelSpec(), ModelSpec()):
            return _model(a), _model(b)
        case (nodes.NamedSet(), nodes.NamedSet()):
            return f"sha256 {a.sha256[:12]}", f"sha256 {b.sha256[:12]}"
        case (nodes.NamedTable(), nodes.NamedTable()):
            return f"sha256 {a.sha256[:12]}", f"sha256 {b.sha256[:12]}"
        case _:
            return _asset(a), _asset(b)  # type: ignore[arg-type]


def _made(spec: FeatureSpec) -> str:
    return f"{spec.output.text} by {spec.model.name}({', '.join(map(argument_text, spec.arguments))})"


def _model(model: ModelSpec) -> str:
    weights = ", ".join(f"{one.file} {one.sha256[:12]}" for one in model.weights)
    code = f", code {model.code.sha256[:12]}" if model.code is not None else ""
    return f"version {model.version}{code}{f', weights {weights}' if weights else ''}"


def _asset(asset: Asset) -> str:
    match asset:
        case PoolAsset():
            return "FROM pool"
        case FileAsset():
            return f"sha256 {asset.sha256[:12]}"
        case MadeAsset():
            return f"{asset.model}({', '.join(part.name for part in asset.of)})"
        case FitAsset():
            options = "".join(f", {name} = {value!r}" for name, value in asset.options)
            return f"FIT {asset.model}({asset.embedding}{options}) ON {asset.on} SEED {asset.seed}"
