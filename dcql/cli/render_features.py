"""How features are drawn: what became of them in a run, and what is stored."""

from collections.abc import Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING, Any

from dcql.cli.plain import text_of
from dcql.cli.shell import plural, shown, size
from dcql.inspect.features import reasons

if TYPE_CHECKING:
    from rich.console import Console

    from dcql.engine.features.counting import Counted
    from dcql.engine.features.report import FeaturesReport, MarginFound, Use

_DIGITS = 12  # of an id, where many are shown


def draw_features(console: "Console", report: "FeaturesReport") -> None:
    """Print the features of a run: a line each, why models failed, and how many samples lie near a threshold."""
    if not report.uses:
        return
    text = text_of(console)
    console.print()
    console.print(text("features", "bold"))
    names = [shown(use.spec.name) for use in report.uses]
    made = [shown(_made_by(use)) for use in report.uses]
    width, wide = max(map(len, names)), max(map(len, made))
    asked = [f"asked of {plural(use.asked, 'sample')}, {_computed(use)}" for use in report.uses]
    fits = not console.is_terminal or 6 + width + wide + max(map(len, asked)) <= console.width
    for use, name, by, what in zip(report.uses, names, made, asked, strict=True):
        line = text.assemble(f"  {name:<{width}}", (f"  {by:<{wide if fits else 0}}", "dim"))
        line.append(f"  {what}" if fits else f"\n    {what}")
        console.print(line)
        if use.failed:
            console.print(text(f"    {shown(_failures(use))}", "yellow"))
    for one in report.margins:
        console.print(text(f"  {shown(margin_text(one))}", "dim"))
    console.print()


def draw_use(console: "Console", use: "Use", digest: str | None, pool: str) -> None:
    """Print what computing a feature for a pool did."""
    from rich.text import Text

    heading = Text(shown(use.spec.name), "bold")
    heading.append(f" on {shown(pool)}: {plural(use.asked, 'sample')}, {_computed(use)}", "not bold")
    console.print(heading)
    if use.failed:
        console.print(Text(f"  {shown(_failures(use))}", "yellow"))
    console.print(Text(f"  made by {shown(_made_by(use))}", "dim"))
    if digest is not None:
        console.print(Text(digest, "bold"))


def draw_rows(console: "Console", rows: Sequence[Mapping[str, Any]], indent: str = "") -> None:
    """Print features in the store, a line each."""
    from rich.text import Text

    names = [shown(row["name"]) or "?" for row in rows]
    made = [shown(_made(row)) for row in rows]
    held = [f"{row['samples']:>13,} samples  {size(row['bytes'])}" for row in rows]
    width, wide = max(map(len, names)), max(map(len, made))
    fits = not console.is_terminal or len(indent) + width + wide + _DIGITS + 6 + max(map(len, held)) <= console.width
    for row, name, by, what in zip(rows, names, made, held, strict=True):
        line = Text.assemble(indent, (f"{name:<{width}}", "bold"), f"  {by:<{wide}}  ")
        line.append(short_id(row["id"]), "dim")
        line.append(f"  {what}" if fits else f"\n{indent}    {what.strip()}")
        if row["failed"]:
            line.append(f"  failed {row['failed']:,}", "yellow")
        if "damaged" in row:
            line.append(f"  damaged: {shown(row['damaged'])}", "red")
        console.print(line)


def draw_stored(console: "Console", told: Mapping[str, Any]) -> None:
    """Print a feature's declaration, its weights and what is stored of it."""
    from rich.text import Text

    inputs = [f"{parameter}: {' '.join(rest)}" for parameter, *rest in told["inputs"]]
    rows = [
        ("feature", f"{told['name']} {told['output']}"),
        ("model", f"{told['model']}, version {told['version']}"),
        ("code", f"the recipe's own, sha256 {told['code'][:_DIGITS]}.." if told["code"] else ""),
        ("reads", ", ".join(inputs)),
        ("assets", ", ".join(f"{one['parameter']}: {one['name']}" for one in told["assets"])),
        ("options", ", ".join(f"{name} = {value}" for name, value in told["options"].items())),
        ("tolerance", f"{told['tolerance']:g}" if told["tolerance"] else ""),
        ("licence", told["licence"]),
        ("cite", told["cite"]),
    ]
    used = False
    for file in told["weights"]:
        where = file["path"] or "not here"
        rows.append(("weights", f"{file['file']}: {where}{' (used)' if file['path'] and not used else ''}"))
        used = used or file["path"] is not None
    for title, value in rows:
        if value:
            console.print(Text.assemble((title.ljust(11), "dim"), shown(value)))
    if not told["stored"]:
        console.print(Text.assemble(("stored".ljust(11), "dim"), "nothing"))
        return
    console.print(Text("stored", "dim"))
    draw_rows(console, told["stored"], indent="  ")


def draw_demands(
    console: "Console", pool: str, counted: "Sequence[Counted]", rates: Mapping[str, float | None]
) -> None:
    """Print what a run would ask of models; `rates` are the samples a second of each model, None where not measured."""
    from rich.text import Text

    console.print()
    console.print(Text(f"features on {shown(pool)}"))
    for one in counted:
        console.print(Text.assemble("  ", (shown(one.spec.name), "bold"), f": {shown(one.why)}"))
        most = "" if one.exact else "at most "
        words = [f"asked of {most}{plural(one.asked, 'sample')}"]
        if not one.missing:
            words.append("all stored")
        else:
            words.append(f"{most}{one.missing:,} not stored")
            speed = rates[one.spec.model.name]
            words.append(f"{most}{duration(one.missing / speed)}" if speed else "not measured on this machine yet")
        console.print(Text(f"    {', '.join(words)}"))
        if one.problem and one.missing:
            console.print(Text(f"    {shown(one.problem)}", "yellow"))


def duration(seconds: float) -> str:
    """Return a time as `less than a second`, `about 12 s`, `about 4 min`, `about 3.5 h`."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def margin_text(one: "MarginFound") -> str:
    """Say how many samples lie near a threshold."""
    bits = round(-log2(one.step))
    step = f"2^-{bits}" if bits else "1"
    return f"{one.near:,} of {plural(one.asked, 'sample')} within {step} of {one.text}"


def short_id(identity: str) -> str:
    """Return the first digits of an id."""
    return identity.removeprefix("sha256:")[:_DIGITS]


def _computed(use: "Use") -> str:
    return f"{use.computed:,} computed now" if use.computed else "all from the store"


def _made(row: Mapping[str, Any]) -> str:
    if "model" not in row:
        return "?"
    return f"{row['model']['name']} {row['model']['version']}" + (f", {row['weights']}" if row["weights"] else "")


def _made_by(use: "Use") -> str:
    return f"{use.spec.model.name} {use.spec.model.version}" + (f", {use.weights}" if use.weights else "")


def _failures(use: "Use") -> str:
    common, count = reasons(use)[0]
    if len(use.reasons) == 1:
        return f"failed on {use.failed:,}: {common}"
    return f"failed on {use.failed:,}, most often ({count:,} times): {common}"
