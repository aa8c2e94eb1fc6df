"""How features are drawn: what became of them in a run."""

from math import log2
from typing import TYPE_CHECKING

from dcql.cli.shell import plural, shown

if TYPE_CHECKING:
    from rich.console import Console

    from dcql.engine.features.report import FeaturesReport, MarginFound, Use


def draw_features(console: "Console", report: "FeaturesReport") -> None:
    """Print the features of a run: a line each, why models failed, and how many samples lie near a threshold."""
    from rich.text import Text

    if report.uses:
        console.print()
        console.print(Text("features", "bold"))
    names = [shown(use.spec.name) for use in report.uses]
    made = [shown(_made_by(use)) for use in report.uses]
    width, wide = max(map(len, names), default=0), max(map(len, made), default=0)
    for use, name, by in zip(report.uses, names, made, strict=True):
        line = Text.assemble(f"  {name:<{width}}", (f"  {by:<{wide}}", "dim"))
        line.append(f"  asked of {plural(use.asked, 'sample')}, ")
        line.append(f"{use.computed:,} computed now" if use.computed else "all from the store")
        console.print(line)
        if use.failed:
            console.print(Text(f"    {shown(_failures(use))}", "yellow"))
    for one in report.margins:
        console.print(Text(f"  {shown(margin_text(one))}", "dim"))


def margin_text(one: "MarginFound") -> str:
    """Say how many samples lie near a threshold."""
    exponent = round(-log2(one.step))
    step = f"2^-{exponent}" if exponent else "1"
    return f"{one.near:,} of {plural(one.asked, 'sample')} within {step} of {one.text}"

    return log2(step)


def _made_by(use: "Use") -> str:
    return f"{use.spec.model.name} {use.spec.model.version}" + (f", {use.weights}" if use.weights else "")


def _failures(use: "Use") -> str:
    from dcql.inspect.features import reasons

    common, count = reasons(use)[0]
    said = f"most often: {common}" if len(use.reasons) > 1 else common
    often = f" ({count:,})" if len(use.reasons) > 1 else ""
    return f"failed on {use.failed:,}, {said}{often}"
