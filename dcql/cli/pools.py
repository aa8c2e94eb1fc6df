"""`dcql pool`: the pools that dcql knows."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.cluster import AddressOption, Engine, EngineOption, spread
from dcql.cli.coverage import coverage
from dcql.cli.options import FormatOption, LimitsOption, MemoryOption, PoolName, complete_pool
from dcql.cli.progress import progress
from dcql.cli.shell import Format, guarded, plural, print_json, shown, size, stderr, stdout

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.engine.describe import ColumnSummary

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Add, list and describe pools; `dcql run --pool NAME` runs on one.",
)


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the pool.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder, .parquet file or URL in DataComp's layout.")],
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Read a pool once and remember what later runs need of it.

    Its files stay where they are. Adding it again reads only what is new; an add that was broken off goes on. With
    --engine ray, nodes read a file each, with --memory for every one.
    """
    from dcql.engine.add import add as add_pool

    where = spread(engine, address)
    before = _recorded(name)
    with progress() as tell, where(None, tell) as cluster:
        by = None
        if cluster is not None:
            from dcql.engine.cluster.adding import take_in_by

            by = take_in_by(cluster)
        pool = add_pool(name, path, memory=memory or 1 << 30, progress=tell, elsewhere=by)
    if format_ is Format.JSON:
        print_json(_to_json(pool))
        return
    print(f"added {shown(name)}: {plural(pool.rows, 'sample')} in {plural(len(pool.files), 'file')}")
    print(pool.fingerprint)
    if before is not None and before.source != pool.source and before.fingerprint != pool.fingerprint:
        what = f"{plural(before.rows, 'sample')} in {shown(before.source)}"
        stderr().print(f"note: {shown(name)} was another pool until now, {what}")


def _recorded(name: str) -> "Pool | None":
    """Return the pool that has a name already; None without one, or where its record says nothing."""
    from dcql.catalog.pool import list_pools, read_recorded
    from dcql.errors import RunError

    try:
        return read_recorded(name) if name in list_pools() else None
    except RunError:
        return None


def ls(format_: FormatOption = Format.TEXT) -> None:
    """List the pools that were added."""
    from dcql.catalog.pool import list_pools, read_recorded
    from dcql.errors import RunError

    rows: list[tuple[str, Any]] = []
    for name in list_pools():
        try:
            rows.append((name, read_recorded(name)))
        except RunError as error:
            rows.append((name, error.diagnostics[0]))
    if format_ is Format.JSON:
        print_json([_to_json(pool) if hasattr(pool, "rows") else pool.to_json() | {"name": n} for n, pool in rows])
        return
    if not rows:
        print("no pool was added; add one with `dcql pool add NAME PATH`")
        return
    from rich.text import Text

    console = stdout()
    width = max(len(name) for name, _ in rows)
    for name, pool in rows:
        line = Text(name.ljust(width), "bold")
        if hasattr(pool, "rows"):
            line.append(f"  {pool.rows:>15,} samples  ", "")
            line.append(shown(pool.source), "dim")
        else:
            line.append(f"  damaged: {shown(pool.label)}", "red")
        console.print(line)


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="POOL", help="An added pool's name, or a folder, file or URL.", autocompletion=complete_pool
        ),
    ],
    format_: FormatOption = Format.TEXT,
) -> None:
    """Show a pool's size, columns and fingerprint, and whether its files changed."""
    from dcql.catalog.pool import open_pool

    pool = open_pool(name)
    if format_ is Format.JSON:
        print_json(_to_json(pool))
        return
    from rich.text import Text

    console = stdout()
    rows = (
        ("pool", shown(pool.name)),
        ("source", shown(pool.source)),
        ("samples", f"{pool.rows:,}"),
        ("files", f"{len(pool.files):,}, {size(sum(file.size for file in pool.files))}"),
        ("state", "added, its files are unchanged" if pool.added else "not added: `dcql pool add NAME PATH`"),
        ("fingerprint", pool.fingerprint or "none: only an added pool has one"),
        *_coverage_rows(pool),
    )
    for title, value in rows:
        console.print(Text.assemble((title.ljust(13), "dim"), value))
    console.print(Text("columns", "dim"))
    width = max(len(shown(column.name)) for column in pool.schema.columns)
    for column in pool.schema.columns:
        console.print(Text.assemble("  ", shown(column.name).ljust(width), ("  " + column.type.value, "cyan")))


def _coverage_rows(pool: "Pool") -> tuple[tuple[str, str], ...]:
    from dcql.catalog.coverage import known_coverage

    found = known_coverage(pool)
    if found is None:
        return ()
    return (("coverage", f"{found.counted.available:,} available, {found.counted.intact:,} intact"),)


def describe(name: PoolName, format_: FormatOption = Format.TEXT) -> None:
    """Describe the columns of an added pool: NULLs, exact quantiles and ties."""
    from dcql.catalog.pool import open_pool
    from dcql.cli.render import draw_columns
    from dcql.engine.describe import describe as summarise

    pool = open_pool(name)
    summaries = summarise(pool)
    if format_ is Format.JSON:
        print_json({"name": pool.name, "samples": pool.rows, "columns": [_column_to_json(one) for one in summaries]})
        return
    draw_columns(stdout(), summaries)


def rm(name: PoolName) -> None:
    """Forget an added pool; its files stay where they are."""
    from dcql.catalog.pool import remove_pool

    remove_pool(name)
    print(f"removed {shown(name)}; its files are still there")


for _name, _short, _command in (
    ("add", "Read a pool once and remember what runs need", add),
    ("ls", "List the pools that were added", ls),
    ("show", "Show a pool's size, columns and fingerprint", show),
    ("describe", "Describe a pool's columns: NULLs, quantiles, ties", describe),
    ("coverage", "Record what its shards really hold", coverage),
    ("rm", "Forget a pool; its files stay", rm),
):
    app.command(_name, short_help=_short)(guarded(_command))


def _to_json(pool: "Pool") -> dict[str, Any]:
    return {
        "name": pool.name,
        "source": pool.source,
        "samples": pool.rows,
        "files": len(pool.files),
        "bytes": sum(file.size for file in pool.files),
        "added": pool.added,
        "fingerprint": pool.fingerprint,
        "columns": [{"name": column.name, "type": column.type.value} for column in pool.schema.columns],
    }


def _column_to_json(summary: "ColumnSummary") -> dict[str, Any]:
    from dcql.inspect.funnel import plain

    return {
        "name": summary.name,
        "type": summary.type.value,
        "nulls": summary.nulls,
        "share_null": summary.share,
        "distinct": summary.distinct,
        "minimum": plain(summary.minimum),
        "quantiles": {f"{float(p):g}": plain(value) for p, value in summary.quantiles},
        "maximum": plain(summary.maximum),
        "tie": {"value": plain(summary.tie[0]), "samples": summary.tie[1]} if summary.tie is not None else None,
    }
