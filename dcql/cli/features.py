"""`dcql feature`: the columns that models made, and are stored."""

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.cluster import AddressOption, Engine, EngineOption, spread
from dcql.cli.computing import Device, DeviceOption, FailuresOption, OwnCodeOption, computing, percent
from dcql.cli.options import FormatOption, LimitsOption, MemoryOption, PoolNeeded, ThreadsOption, similar
from dcql.cli.progress import progress
from dcql.cli.render_features import draw_rows, draw_stored, draw_use
from dcql.cli.shell import Format, guarded, plural, print_json, shown, size, stdout

if TYPE_CHECKING:
    from dcql.catalog.features import StoredFeature
    from dcql.catalog.types import Schema
    from dcql.compiler import Compiled

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Columns that models make: computed once for a sample, and stored. A run computes what it lacks by itself.",
)

_SHARE = Fraction(1, 100)

FeatureName = Annotated[
    str, typer.Argument(metavar="NAME", help="A feature of the library, or one that --recipe declares.")
]
OfRecipe = Annotated[
    str | None,
    typer.Option(
        "--recipe", "-r", metavar="RECIPE", help="The recipe that declares the feature; its query is not run."
    ),
]


def ls(format_: FormatOption = Format.TEXT) -> None:
    """List the features in the store."""
    from dcql.catalog.features import stored_features

    rows = [stored_row(stored) for stored in stored_features()]
    rows.sort(key=lambda row: (row["name"], row["id"]))
    if format_ is Format.JSON:
        print_json(rows)
        return
    if not rows:
        print("no feature is stored; a run stores what it computes, as does `dcql feature compute NAME --pool POOL`")
        return
    draw_rows(stdout(), rows)


def show(name: FeatureName, recipe: OfRecipe = None, format_: FormatOption = Format.TEXT) -> None:
    """Show how a feature is declared, whether its weights are here, and what is stored of it."""
    from dcql.catalog.features import stored_features
    from dcql.catalog.types import DATACOMP
    from dcql.engine.features.columns import declared
    from dcql.engine.features.weights import weights_path
    from dcql.errors import RunError

    compiled = _compiled(name, recipe, DATACOMP)
    spec = next(spec for spec in compiled.program.features if spec.name == name)
    asked = declared(spec)
    stored = []
    for one in stored_features():
        try:
            described = one.described()
        except RunError:
            continue  # `ls` tells of it
        if all(described.get(word) == value for word, value in asked.items()):
            stored.append(stored_row(one))
    found: list[dict[str, Any]] = []
    for file in spec.model.weights:
        path = weights_path(file)
        found.append({"file": file.file, "sha256": file.sha256, "path": str(path) if path is not None else None})
    assets = [{"parameter": one.parameter, "name": one.asset.name} for one in spec.assets]
    about = {"licence": spec.model.licence, "cite": spec.model.cite, "tolerance": spec.model.tolerance}
    told = {"name": name, **asked, "assets": assets, **about, "weights": found, "stored": stored}
    if format_ is Format.JSON:
        print_json(told)
        return
    draw_stored(stdout(), told)


def compute(
    name: FeatureName,
    pool: PoolNeeded,
    recipe: OfRecipe = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    device: DeviceOption = Device.AUTO,
    max_failures: FailuresOption = None,
    own_code: OwnCodeOption = False,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compute a feature for every sample of a pool that it is not stored for.

    With --engine ray, nodes compute a file each, on a GPU where the model can use one and there are any.
    """
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.run import run_on
    from dcql.inspect.features import use_to_json

    where = spread(engine, address)
    opened = pool_or_demo(pool)
    compiled = _compiled(name, recipe, opened.schema)
    allowed = computing(threads, own_code=own_code, max_failures=max_failures, device=device)
    report = run_on(compiled, opened, threads, memory, allowed=allowed, where=where).result.features
    assert report is not None
    use = next(use for use in report.uses if use.spec.name == name)
    if format_ is Format.JSON:
        print_json({**use_to_json(use, report.digests.get(name)), "computed": use.computed, "pool": opened.name})
        return
    draw_use(stdout(), use, report.digests.get(name), opened.name)


def verify(
    name: FeatureName,
    pool: PoolNeeded,
    sample: Annotated[
        Fraction | None,
        typer.Option("--sample", metavar="PERCENT", parser=percent, help="The share to compute again; 1 without it."),
    ] = None,
    recipe: OfRecipe = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    device: DeviceOption = Device.AUTO,
    own_code: OwnCodeOption = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compute a share of the stored values again and compare; the store is not changed.

    The share is chosen by the uids, so that it is the same one every time. Fails where a value differs by more than the
    model's TOLERANCE.
    """
    from dcql.cli.demo import pool_or_demo
    from dcql.engine.duck import Resources
    from dcql.engine.features.again import compute_again, refuse_beyond

    opened = pool_or_demo(pool)
    program = _compiled(name, recipe, opened.schema).program
    allowed = computing(threads, compute=False, own_code=own_code, device=device)
    share = sample if sample is not None else _SHARE
    with progress() as tell:
        found = compute_again(program, name, opened, share, Resources(threads, memory), allowed, tell)
    told = {
        "name": name,
        "id": found.id,
        "pool": opened.name,
        "stored": found.stored,
        "compared": found.compared,
        "equal": found.compared - found.differing,
        "differing": found.differing,
        "beyond": found.beyond,
        "largest": found.largest,
        "tolerance": found.tolerance,
        "uids": found.uids,
    }
    if format_ is Format.JSON and not found.beyond:
        print_json(told)
        return
    if format_ is Format.TEXT:
        equal = found.compared - found.differing
        of = f"{shown(name)} on {shown(opened.name)}: {plural(found.compared, 'sample')} of {found.stored:,} stored"
        print(f"{of} compared, {equal:,} equal, {found.differing:,} differing")
        if found.largest:
            print(f"largest difference {found.largest:.6g}, TOLERANCE {found.tolerance:g}")
    refuse_beyond(name, found)


def gc(
    all_: Annotated[bool, typer.Option("--all", help="Remove the values of pools that were never added, too.")] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Remove what no run needs: old versions, damaged files, and values of files of no added pool.

    What a run reads at the moment stays as it is.
    """
    from dcql.engine.features.gc import collect

    freed = collect(everything=all_)
    if format_ is Format.JSON:
        print_json(vars(freed))
        return
    removed = (
        plural(freed.features, "feature") if freed.features else "",
        f"the values of {plural(freed.values, 'file')} of no added pool" if freed.values else "",
        f"the damaged values of {plural(freed.damaged, 'file')}" if freed.damaged else "",
        plural(freed.old, "old or unfinished file") if freed.old else "",
    )
    print(f"freed {size(freed.bytes)}: {', '.join(word for word in removed if word) or 'there was nothing to remove'}")
    for busy in freed.busy:
        print(f"left {shown(busy)}, which a run reads")
    for pool in freed.unknown:
        print(f"left what {shown(pool)} may need: it cannot be read now")


for _name, _short, _command in (
    ("ls", "List the features in the store", ls),
    ("show", "Show a feature's declaration and what is stored", show),
    ("compute", "Compute a feature for every sample of a pool", compute),
    ("verify", "Compute some stored values again and compare", verify),
    ("gc", "Remove what no run needs", gc),
):
    app.command(_name, short_help=_short)(guarded(_command))


def stored_row(stored: "StoredFeature") -> dict[str, Any]:
    """Return what is stored of a feature as plain data; `damaged` says why one cannot be used."""
    from dcql.engine.features.files import read_footer
    from dcql.errors import RunError

    known = failed = 0
    row: dict[str, Any] = {"name": "", "id": stored.id}
    try:
        described = stored.described()
        model = {"name": str(described["model"]), "version": described["version"]}
        row |= {"name": str(described["name"]), "id": str(described["id"]), "model": model}
        row |= {"weights": described.get("weights"), "assets": described.get("assets", {})}
        for path in stored.newest_versions():
            footer = read_footer(path)
            known, failed = known + footer.known, failed + footer.failed
    except RunError as error:
        row["damaged"] = error.diagnostics[0].label
    except (KeyError, TypeError) as error:
        row["damaged"] = f"feature.json lacks or garbles {error}"
    held = sum(path.stat().st_size for path in stored.folder.rglob("*") if path.is_file())
    return {**row, "samples": known, "failed": failed, "bytes": held}


def _compiled(name: str, recipe: str | None, schema: "Schema") -> "Compiled":
    from dcql.compiler import compile_feature

    compiled = compile_feature(name, schema, recipe)
    if isinstance(compiled, tuple):
        known = list(compiled)
        near = similar(name, known) or f"; there are {', '.join(known)}"
        raise typer.BadParameter(f"there is no feature {name!r}{near}")
    return compiled
