"""The commands of `dcql`, in the order of `dcql --help`."""

import os
from typing import Annotated, Any

import typer

from dcql.cli.lazy import LazyGroup

_SECTIONS = {
    "Running": ("run", "count", "lock", "verify"),
    "Recipes": ("new", "check", "watch", "fmt", "plan", "sql", "lsp", "recipes"),
    "Repositories": ("ci",),
    "Subsets": ("show", "diff", "why", "sweep", "report", "export"),
    "Pools": ("pool",),
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


class _Sections(LazyGroup):
    """Lists the commands in sections."""

    table = {  # noqa: RUF012
        "run": ("Run a recipe on a pool and write the subset", "dcql.cli.run:run"),
        "count": ("Count what a recipe keeps", "dcql.cli.run:count"),
        "lock": ("Write what a recipe selects, and what decides it", "dcql.cli.locks:lock"),
        "verify": ("Compute a locked subset or a run again", "dcql.cli.locks:verify"),
        "new": ("Write a new recipe to begin with", "dcql.cli.new:new"),
        "check": ("Check a recipe without running it", "dcql.cli.check:check"),
        "watch": ("Check and count a recipe at every save", "dcql.cli.watch:watch"),
        "fmt": ("Format recipes, or check that they are formatted", "dcql.cli.fmt:fmt"),
        "plan": ("Print what a recipe means, as a tree", "dcql.cli.recipes:plan"),
        "sql": ("Print every SQL statement of a recipe", "dcql.cli.recipes:sql"),
        "lsp": ("Serve an editor as a language server", "dcql.cli.lsp:lsp"),
        "show": ("Show samples that a recipe keeps or drops", "dcql.cli.show:show"),
        "diff": ("Compare two subsets, runs or recipes", "dcql.cli.diff:diff"),
        "why": ("Say why a recipe keeps a sample or drops it", "dcql.cli.why:why"),
        "sweep": ("Run a recipe with several values of its PARAMs", "dcql.cli.sweep:sweep"),
        "report": ("Write a run or a difference as one HTML file", "dcql.cli.report:report"),
        "export": ("Write a subset's samples to a parquet file", "dcql.cli.subsets:export"),
        "reshard": ("Write the training shards of a run", "dcql.cli.reshard:reshard"),
        "train": ("Train a scale on the shards of a run", "dcql.cli.train:train"),
        "eval": ("Evaluate trained weights on DataComp's tasks", "dcql.cli.evaluate:evaluate"),
        "explain-error": ("Explain an error code", "dcql.cli.errors:explain_error"),
        "completion": ("Complete command lines in bash, zsh or fish", "dcql.cli.completion:completion"),
        "recipes": ("List and show the recipes that ship with dcql", "dcql.cli.shipped:app"),
        "pool": ("Add, list and describe pools", "dcql.cli.pools:app"),
        "feature": ("List, compute and verify columns that models make", "dcql.cli.features:app"),
        "submit": ("Pack a run for a leaderboard, and check a submission", "dcql.cli.submit:app"),
        "ci": ("Check recipe repositories, and merge their locks", "dcql.cli.ci:app"),
        "leaderboard": ("Build the site of a leaderboard", "dcql.cli.leaderboard:app"),
    }

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        placed = {name for names in _SECTIONS.values() for name in names}
        sections = {**_SECTIONS, "More": tuple(name for name in self.table if name not in placed)}
        width = max(map(len, self.table), default=0)
        for title, names in sections.items():
            rows = [(name.ljust(width), self.table[name][0]) for name in names if name in self.table]
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
