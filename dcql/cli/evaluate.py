"""`dcql eval`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.computing import Device, DeviceOption
from dcql.cli.options import FormatOption, ScaleOption, SeedOption, ThreadsOption
from dcql.cli.progress import progress
from dcql.cli.shell import Format, plural, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.runtime.evaluate.evaluate import Report
    from dcql.runtime.evaluate.runs import Trained
    from dcql.runtime.evaluate.tasks import Suite, Task

_TITLES = {
    "imagenet": "ImageNet",
    "shifts": "ImageNet dist. shifts",
    "vtab": "VTAB",
    "retrieval": "Retrieval",
    "average": "Average",
    "demo": "Demo",
}


def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder that was trained, or one of its train folders.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data", "-d", metavar="PATH", help="The folder or URL that holds the sets; $DCQL_HOME/eval without it."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks", metavar="TASK", help="Evaluate these tasks alone: keys or names, with commas; may repeat."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="LIST", help="datacomp or demo; without it, demo for the scale `demo`."),
    ] = None,
    scale: ScaleOption = None,
    seed: SeedOption = None,
    allow_incomplete: Annotated[
        bool,
        typer.Option(
            "--allow-incomplete", help="Evaluate sets with damaged images or samples missing too, for no average."
        ),
    ] = False,
    batch: Annotated[
        int, typer.Option("--batch-size", min=1, metavar="N", help="Images that are encoded together.")
    ] = 64,
    threads: ThreadsOption = None,
    device: DeviceOption = Device.AUTO,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Evaluate trained weights on every task whose set is there, and write the results beside them.

    A task is not evaluated again where its result has the same hash. One without a set is missing: it is in no average,
    and an average is there only once all of its tasks are.
    """
    from dcql.runtime.evaluate.encode import choose_device
    from dcql.runtime.evaluate.evaluate import Settings
    from dcql.runtime.evaluate.evaluate import evaluate as evaluate_tasks
    from dcql.runtime.evaluate.runs import find_trained
    from dcql.runtime.evaluate.tasks import choose

    trained = find_trained(run, scale, seed)
    asked_suite = _suite(suite, trained)
    asked = choose(asked_suite, [word for given in task for word in given.split(",")] if task else None)
    place = _data(data, asked_suite)
    settings = Settings(choose_device(device.value), batch, threads or min(16, os.cpu_count() or 1), allow_incomplete)
    with progress() as tell:
        report = evaluate_tasks(
            lambda: _load(trained),
            trained.weights,
            trained.run_hash,
            trained.out,
            place,
            asked_suite,
            asked,
            settings=settings,
            tell=tell,
        )
    if format_ is Format.JSON:
        print_json({**report.summary, "results": list(report.lines.values()), "out": str(trained.out)})
        return
    _draw(report, asked, trained, place)


def _suite(named: str | None, trained: "Trained") -> "Suite":
    from dcql.runtime.evaluate.tasks import Suite

    if named is None:
        return Suite.DEMO if trained.scale == "demo" else Suite.DATACOMP
    if named not in set(Suite):
        raise typer.BadParameter(f"{named!r} is no list of tasks: there are {' and '.join(Suite)}")
    return Suite(named)


def _data(named: str | None, suite: "Suite") -> str:
    from dcql import demo_sets
    from dcql.runtime.evaluate.tasks import Suite

    if named is not None:
        return named
    if suite is Suite.DEMO:
        demo_sets.make()
    return str(demo_sets.home())


def _load(trained: "Trained") -> Any:
    from dcql.runtime.train.weights import load

    return load(trained.folder)[0]


def _draw(report: "Report", asked: "tuple[Task, ...]", trained: "Trained", data: str) -> None:
    from rich.text import Text

    console = stdout()
    rows = [row for task in asked if (line := report.lines.get(task.key)) is not None for row in _rows(task, line)]
    rows = [("", "n", "metric", "", "95 %", "chance"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Where a terminal is narrower, the name of a task has a line of its own.
    apart = console.is_terminal and sum(widths) + 2 * (len(widths) - 1) > console.width
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if column in (0, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        style = "" if number and row[0] else "dim"
        if apart:
            if row[0]:
                console.print(Text(row[0], style))
            cells = ["", *cells[1:]]
        console.print(Text("  ".join(cells).rstrip(), style))
    missing = [task for task in asked if task.key not in report.lines]
    if missing:
        names = ", ".join(task.key for task in missing[:5]) + (", .." if len(missing) > 5 else "")
        console.print(Text(f"missing: {plural(len(missing), 'task')}, {names}", "yellow"))
        console.print(Text(f"  no set of theirs is in {shown(data)}", "dim"))
    console.print()
    for name, value in report.summary["averages"].items():
        counted = report.summary["n_tasks"][name]
        if counted["there"]:
            of = f"{counted['there']} of {plural(counted['tasks'], 'task')}"
            console.print(Text.assemble((_TITLES[name].ljust(22), "bold"), _share(value).rjust(6), (f"  {of}", "dim")))
    console.print(report.summary["eval_hash"], style="bold")
    console.print(f"wrote {shown(str(trained.out))}: {plural(len(report.done), 'task')} evaluated now", style="dim")


def _rows(task: "Task", line: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the row of a task's main metric, and that of top-1 where it is another."""
    metrics, interval = line["metrics"], line["interval"]
    name = task.name if line["complete"] else f"{task.name}, incomplete"
    main = task.main or "reported only"
    between = "" if interval is None else f"{interval[0]:.4f} - {interval[1]:.4f}"
    chance = "" if task.chance is None else f"{task.chance:.4f}"
    yield name, f"{line['n']:,}", main, _share(metrics["main_metric"]), between, chance
    if task.main not in (None, "acc1") and "acc1" in metrics:
        yield "", "", "acc1", _share(metrics["acc1"]), "", ""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
