"""DataComp's published baselines, as baselines.toml quotes them."""

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure was read."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline at a scale of the filtering track; a figure that no source states is None."""

    name: str
    recipe: str
    scale: str
    imagenet: float
    average: float | None
    size: int | None
    sources: tuple[Source, ...]


@functools.cache
def baselines() -> tuple[Baseline, ...]:
    """Return the quoted rows."""
    data = tomllib.loads(files("dcql.leaderboard").joinpath("baselines.toml").read_text(encoding="utf-8"))
    sources = {name: Source(**row) for name, row in data["sources"].items()}
    return tuple(
        Baseline(
            name=row["name"],
            recipe=row["recipe"],
            scale=scale,
            imagenet=figures["imagenet"],
            average=figures.get("average"),
            size=figures.get("size"),
            sources=tuple(sources[name] for name in figures.get("sources", ["models"])),
        )
        for row in data["baseline"]
        for scale, figures in row["scales"].items()
    )
