"""The statistics of a plan: their names, in which stage of the run each can be computed, and other names it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dcql.plan import nodes

StatisticNode = nodes.Quantile | nodes.Limit | nodes.SampleRows | nodes.DistinctOn | nodes.Feature

_LETTERS = {
    nodes.Quantile: "q",
    nodes.Limit: "cut",
    nodes.SampleRows: "cut",
    nodes.DistinctOn: "first",
    nodes.Feature: "asked",
}


@dataclass(frozen=True)
class Statistics:
    """The statistics of a plan in text order: `names` as q1, cut1, first1, `levels` as stages from 1 up.

    A feature counts as one for each relation that it is asked of, as asked1: its values must be there first. `needed`
    gives the last stage that a node needs.
    """

    names: dict[StatisticNode, str]
    levels: dict[StatisticNode, int]
    needed: Callable[[nodes.Node], int] = field(repr=False, compare=False, default=lambda node: 0)

    @property
    def stages(self) -> int:
        """The number of stages."""
        return max(self.levels.values(), default=0)

    def stage(self, level: int) -> list[StatisticNode]:
        """Return the statistics of a stage."""
        return [node for node, at in self.levels.items() if at == level]


def statistics(plan: nodes.Plan) -> Statistics:
    """Name the statistics of a plan and find their stages; equal ones are one."""
    names: dict[StatisticNode, str] = {}
    counted = dict.fromkeys(_LETTERS.values(), 0)
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        for node in nodes.walk(relation):
            if isinstance(node, StatisticNode) and node not in names:
                letter = _LETTERS[type(node)]
                counted[letter] += 1
                names[node] = f"{letter}{counted[letter]}"
    levels = _Levels({stage.name: stage.relation for stage in plan.stages})
    for node in names:
        levels.of(node)
    return Statistics(names, levels.found, levels.needs)


def called(population: nodes.Rel) -> str:
    """Return what a threshold's population is called."""
    return population.name if isinstance(population, nodes.Ref) else "pool"


def unused_name(plan: nodes.Plan, word: str) -> str:
    """Return `word`, with a stroke for each time that a stage or import has the name already."""
    while any(stage.name == word or stage.name.startswith(f"{word}.") for stage in plan.stages):
        word += "'"
    return word


@dataclass
class _Levels:
    relations: dict[str, nodes.Rel]
    found: dict[StatisticNode, int] = field(default_factory=dict)
    _stages: dict[str, int] = field(default_factory=dict)

    def of(self, node: StatisticNode) -> int:
        """Return the stage of a statistic: one after the last of those that its relation and expressions need."""
        if node not in self.found:
            inside = nodes.children(node)
            self.found[node] = 1 + max((self.needs(child) for child in inside), default=0)
        return self.found[node]

    def needs(self, node: nodes.Node) -> int:
        """Return the last stage of any statistic in a node, 0 without one."""
        if isinstance(node, StatisticNode):
            return self.of(node)
        if isinstance(node, nodes.Ref):
            if node.name not in self._stages:
                self._stages[node.name] = self.needs(self.relations[node.name])
            return self._stages[node.name]
        return max((self.needs(child) for child in nodes.children(node)), default=0)
