"""The commands of `dcql`, in the order of `dcql --help`."""

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dcql.cli import (
    cache,
    check,
    ci,
    completion,
    diff,
    errors,
    evaluate,
    features,
    fmt,
    leaderboard,
    locks,
    lsp,
    new,
    pools,
    recipes,
    report,
    reshard,
    run,
    shipped,
    show,
    submit,
    subsets,
    sweep,
    train,
    watch,
    why,
)
from dcql.cli.shell import guarded

_SECTIONS = {
    "Running": ("run", "count", "lock", "verify"),
    "Recipes": ("new", "check", "watch", "fmt", "plan", "sql", "lsp", "recipes"),
    "Repositories": ("ci",),
    "Subsets": ("show", "diff", "why", "sweep", "report", "export"),
    "Pools": ("pool", "cache"),
    "Features": ("feature",),
    "Benchmark": ("reshard", "train", "eval", "submit", "leaderboard"),
    "Help": ("explain-error", "completion"),
}
_EPILOG = """\
A first session:

  dcql recipes                                    what ships with dcql
  dcql run clip30 --out runs/clip30               run one, on the demo pool
  dcql pool add small /data/datacomp_small        get to know a pool of yours
  dcql run mine.dcql --pool small --out runs/mine
"""


class _Sections(TyperGroup):
    """Lists the commands in sections."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        known = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))}
        placed = {name for names in _SECTIONS.values() for name in names}
        sections = {**_SECTIONS, "More": tuple(name for name in known if name not in placed)}
        width = max(map(len, known), default=0)
        for title, names in sections.items():
            rows = [(name.ljust(width), known[name].get_short_help_str(70)) for name in names if name in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        formatter.write("\n" + _EPILOG)


app = typer.Typer(
    cls=_Sections,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,  # `dcql completion` knows files and PARAMs
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        import dcql

        print(f"dcql {dcql.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in dcql an internal error happened.")
    ] = False,
) -> None:
    """Compile data recipes: a few lines of SQL-like text select a reproducible, hashed subset of a pool."""
    if traceback:
        os.environ["DCQL_DEBUG"] = "1"


for _name, _short, _command in (
    ("run", "Run a recipe on a pool and write the subset", run.run),
    ("count", "Count what a recipe keeps", run.count),
    ("lock", "Write what a recipe selects, and what decides it", locks.lock),
    ("verify", "Compute a locked subset or a run again", locks.verify),
    ("new", "Write a new recipe to begin with", new.new),
    ("check", "Check a recipe without running it", check.check),
    ("watch", "Check and count a recipe at every save", watch.watch),
    ("fmt", "Format recipes, or check that they are formatted", fmt.fmt),
    ("plan", "Print what a recipe means, as a tree", recipes.plan),
    ("sql", "Print every SQL statement of a recipe", recipes.sql),
    ("lsp", "Serve an editor as a language server", lsp.lsp),
    ("show", "Show samples that a recipe keeps or drops", show.show),
    ("diff", "Compare two subsets, runs or recipes", diff.diff),
    ("why", "Say why a recipe keeps a sample or drops it", why.why),
    ("sweep", "Run a recipe with several values of its PARAMs", sweep.sweep),
    ("report", "Write a run or a difference as one HTML file", report.report),
    ("export", "Write a subset's samples to a parquet file", subsets.export),
    ("reshard", "Write the training shards of a run", reshard.reshard),
    ("train", "Train a scale on the shards of a run", train.train),
    ("eval", "Evaluate trained weights on DataComp's tasks", evaluate.evaluate),
    ("explain-error", "Explain an error code", errors.explain_error),
    ("completion", "Complete command lines in bash, zsh or fish", completion.completion),
):
    app.command(_name, short_help=_short)(guarded(_command))

app.add_typer(shipped.app, name="recipes", short_help="List and show the recipes that ship with dcql")
app.add_typer(pools.app, name="pool", short_help="Add, list and describe pools")
app.add_typer(cache.app, name="cache", short_help="Show and clear what is kept of remote files")
app.add_typer(features.app, name="feature", short_help="List, compute and verify columns that models make")
app.add_typer(submit.app, name="submit", short_help="Pack a run for a leaderboard, and check a submission")
app.add_typer(ci.app, name="ci", short_help="Check recipe repositories, and merge their locks")
app.add_typer(leaderboard.app, name="leaderboard", short_help="Build the site of a leaderboard")
