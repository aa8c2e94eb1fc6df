"""What the manifest of a run tells, as a report shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcql.inspect.report.drawing import number
from dcql.pages.text import percent


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the funnel: a clause and what it leaves. `head` is true for the FROM of a SELECT."""

    text: str
    left: int
    width: str
    share: str
    notes: tuple[str, ...]
    head: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A SELECT of the funnel; `notes` tell of its LIMIT and the like, and of operations without a value."""

    title: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A statistic as the manifest has it, its value as text; one with BY is `grouped`, and has the keys of `group`."""

    name: str
    text: str
    population: str
    grouped: bool
    group: str
    value: str
    hex: str
    n: int
    nulls: int
    k: int
    ties: int


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: who made it, of how many samples it was asked, and what came out."""

    name: str
    type: str
    model: str
    weights: str
    asked: int
    failed: int
    reasons: tuple[tuple[str, int], ...]
    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Margin:
    """How many samples lie within one step of a comparison of a feature."""

    text: str
    feature: str
    step: str
    near: int
    asked: int


@dataclass(frozen=True)
class Told:
    """A run as its manifest tells it.

    `coverage` is what was known of the pool's shards: what is counted, how many samples, and their share of the pool.
    """

    recipe: str
    recipe_sha256: str
    text: str
    pool: str
    fingerprint: str
    samples: int
    distinct: int
    total: int
    hash: str
    locked: bool
    parameters: tuple[tuple[str, str], ...]
    effect: str
    parts: tuple[Part, ...]
    thresholds: tuple[Threshold, ...]
    features: tuple[Feature, ...]
    assets: tuple[tuple[str, str], ...]
    margins: tuple[Margin, ...]
    versions: tuple[tuple[str, str], ...]
    coverage: tuple[tuple[str, int, str], ...] = ()

    @property
    def share(self) -> str:
        """The kept samples' share of the pool."""
        return percent(self.distinct, self.samples)


def told(manifest: Mapping[str, Any]) -> Told:
    """Read a manifest. Raises KeyError, TypeError, ValueError or AttributeError for what no run wrote."""
    recipe, pool = manifest["recipe"], manifest["pool"]
    samples = int(pool["samples"])
    thresholds = tuple(_threshold(row) for row in manifest["thresholds"])
    return Told(
        recipe=str(recipe["name"]),
        recipe_sha256=str(recipe["sha256"]),
        text=str(recipe["text"]),
        pool=str(pool["name"]),
        fingerprint=str(pool["fingerprint"] or ""),
        samples=samples,
        distinct=int(manifest["distinct"]),
        total=int(manifest["total"]),
        hash=str(manifest["hash"]),
        locked=bool(manifest["locked"]),
        parameters=tuple((str(name), str(value)) for name, value in manifest["parameters"].items()),
        effect=str(manifest["effect"]),
        parts=tuple(_part(section, samples, thresholds) for section in manifest["counts"]),
        thresholds=thresholds,
        features=tuple(_feature(row) for row in manifest.get("features", ())),
        assets=tuple((str(name), str(digest)) for name, digest in manifest.get("assets", {}).items()),
        margins=tuple(
            Margin(
                str(row["text"]), str(row["feature"]), f"{float(row['step']):.3g}", int(row["near"]), int(row["asked"])
            )
            for row in manifest.get("margins", ())
        ),
        versions=tuple((str(name), str(version)) for name, version in manifest["versions"].items()),
        coverage=tuple(
            (name, count, percent(count, samples))
            for name in ("available", "intact")
            if "coverage" in manifest
            for count in (int(manifest["coverage"][name]["samples"]),)
        ),
    )


def _part(section: Mapping[str, Any], samples: int, thresholds: tuple[Threshold, ...]) -> Part:
    # DISTINCT ON comes before LIMIT.
    tail = sorted(section["tail"], key=lambda name: (name.startswith("cut"), name))
    notes = [_tail(one) for name in tail for one in thresholds if one.name == name and not one.grouped]
    if section["undefined"]:
        notes.append(f"{int(section['undefined']):,} samples where an operation has no value")
    title = str(section["name"])
    if section["samples"] is None:
        return Part(title, (), tuple(notes))
    steps = [_step(f"FROM {section['from']}", int(section["samples"]), samples, (), head=True)]
    for clause in section["clauses"]:
        here = [one for name in clause["thresholds"] for one in thresholds if one.name == name]
        asked = clause.get("asked", {}).items()
        about = [_compared(one) for one in here if not one.grouped]
        grouped = dict.fromkeys(one.name for one in here if one.grouped)
        about += [f"{name}: a value for each of {sum(one.name == name for one in here):,} groups" for name in grouped]
        about += [f"{name} asked of {int(count):,} samples" for name, count in asked]
        steps.append(
            _step(" ".join(str(clause["text"]).split()), int(clause["left"]), samples, tuple(about), head=False)
        )
    return Part(title, tuple(steps), tuple(notes))


def _step(text: str, left: int, whole: int, notes: tuple[str, ...], *, head: bool) -> Step:
    share = min(1.0, max(0.0, left / whole)) if whole else 0.0
    return Step(text, left, f"{100 * share:.3f}%", percent(left, whole), notes, head)


def _compared(one: Threshold) -> str:
    return f"{one.name} = {one.value}, {one.ties:,} tied"


def _tail(one: Threshold) -> str:
    if one.name.startswith("cut"):
        without = f", {one.nulls:,} more have no weight" if one.nulls else ""
        return f"{one.text} keeps {one.k:,} of {one.n:,}{without}"
    if one.name.startswith("first"):
        return f"{one.text} keeps the first of each of {one.n:,} groups"
    return _compared(one)


def _threshold(row: Mapping[str, Any]) -> Threshold:
    value = row["value"]
    shown = number(value) if isinstance(value, int | float) else "NULL" if value is None else str(value)
    group = ", ".join("NULL" if key is None else str(key) for key in row["group"])
    return Threshold(
        str(row["name"]),
        " ".join(str(row["text"]).split()),
        str(row["population"] or "what reaches it"),
        bool(row["group"]),
        group,
        shown,
        str(row["hex"] or ""),
        int(row["n"]),
        int(row["nulls"]),
        int(row["k"]),
        int(row["ties"]),
    )


def _feature(row: Mapping[str, Any]) -> Feature:
    weights = row["weights"]
    return Feature(
        str(row["name"]),
        str(row["type"]),
        f"{row['model']['name']} {row['model']['version']}",
        str(weights["file"]) if weights else "",
        int(row["asked"]),
        int(row["failed"]),
        tuple((str(reason), int(count)) for reason, count in row["reasons"].items()),
        str(row["id"]),
        str(row["digest"] or ""),
    )
