"""Reports: what is recorded of a run, beside what its pool says now.

A report of a run folder runs the recipe again, with the features that are stored, and must come to the same subset.
Where that cannot be done, because the pool is gone for instance, the report has what the folder holds, and says so.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dcql import run_folder
from dcql.catalog.library import library
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.compiler import Compiled, Run, compile_feature
from dcql.demo_pool import open_or_make, unpack_images
from dcql.engine import folder as folders
from dcql.engine.duck import Resources
from dcql.engine.run import Progress
from dcql.engine.values import STORED, locate, observing
from dcql.errors import DcqlError, Diagnostic, RunError, printable
from dcql.inspect.report import compared
from dcql.inspect.report.cuts import cuts
from dcql.inspect.report.diff_page import DiffReport
from dcql.inspect.report.findings import Findings, Near, look
from dcql.inspect.report.page import GENERATOR, RunReport
from dcql.inspect.report.samples import Sample, samples
from dcql.inspect.report.told import told
from dcql.limits import refuse_output
from dcql.plan.passes import optimize
from dcql.plan.written import Writer, short_names
from dcql.records.locking import lock_of
from dcql.records.recorded import check_recorded, find_recorded, run_again
from dcql.source import Source
from dcql.subset import UID
from dcql.syntax.parser import parse

NEAR = 6  # samples on each side of a cut
# Features of the library whose mix is shown where the store has them for the whole pool.
MIXES = ("lang", "image_cluster")


def run_report(folder: Path, pool: str | None, near: int, resources: Resources, tell: Progress) -> RunReport:
    """Gather the report of a run folder; `pool` overrides where its pool lies, `near` 0 leaves samples out.

    Raises RunError for a folder that is not a whole run, and LockError (E0803) where the same recipe over the same pool
    now gives another subset.
    """
    opened = run_folder.read(folder)
    recorded = find_recorded(folder)
    try:
        shown = told(opened.manifest)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        _refuse_manifest(folder, error)
    notices: list[str] = []
    try:
        at = open_or_make(pool if pool is not None else shown.pool)
        run = run_again(recorded, at, resources, tell, STORED)
        check_recorded(recorded, run)
    except DcqlError as error:
        if error.diagnostics[0].code == "E0803":
            raise
        notices.append(_lacking("The samples could not be looked at", error))
        return RunReport(shown, None, {}, "", tuple(notices))
    lock = lock_of(run).text() if at.added else ""
    if not lock:
        notices.append("There is no lock: the pool was not added, so that it has no fingerprint to lock.")
    found, chosen = _looked(run, near, resources, tell, notices)
    return RunReport(shown, found, chosen, lock, tuple(notices))


def diff_report(
    document: Any, pools: Sequence[Pool], texts: tuple[str, str] | None, name: str, *, pictures: bool
) -> DiffReport:
    """Gather the report of a comparison, as `dcql diff --format json` prints it; examples are looked up in `pools`.

    `texts` are those of both recipes; `name` is what messages call the document. Raises RunError (E1443) for one that
    no `dcql diff` printed.
    """
    if not isinstance(document, dict):
        refuse_document(name, "it is no JSON object")
    try:
        shown = compared.told(document)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        refuse_document(name, f"it lacks or garbles {error}")
    notices: list[str] = []
    found: dict[str, Sample] = {}
    if pictures and shown.examples:
        if not pools:
            notices.append("The examples are told by their uids alone: no pool was named.")
        for pool in pools:
            try:
                found |= _examples(pool, shown.examples, notices)
            except DcqlError as error:
                notices.append(_lacking("The examples could not be looked at", error))
        if pools and (missing := set(shown.examples) - set(found)):
            notices.append(f"{len(missing):,} of the examples are in no pool at hand.")
    return DiffReport(shown, found, texts, tuple(notices))


def _examples(pool: Pool, examples: Sequence[str], notices: list[str]) -> dict[str, Sample]:
    """Return examples by uid, those that the pool has."""
    unpack_images(pool)
    uids = np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in examples], UID)
    near = [Near(uid, file, row, 0) for uid, file, row in locate(pool, uids)]
    names = short_names(parse(Source("every", "SELECT uid FROM pool")), library(), pool.schema)
    chosen, why = samples(pool, near, names, pictures=True)
    if why:
        notices.append(f"There are no pictures: {why}.")
    return {one.uid: one for one in chosen.values()}


def refuse_document(name: str, label: str) -> NoReturn:
    """Raise RunError (E1443) for a document that is no comparison."""
    help_ = "write one with `dcql diff A B --format json > diff.json`"
    raise RunError(Diagnostic("E1443", f"`{name}` is not a comparison", None, label, (help_,)))


def _looked(
    run: Run, near: int, resources: Resources, tell: Progress, notices: list[str]
) -> tuple[Findings | None, dict[tuple[int, int], Sample]]:
    """Look at the samples of a run; what cannot be had is told in `notices`."""
    program = run.compiled.program
    plan = optimize(run.compiled.plan)
    recipe = run.compiled.recipe
    names = short_names(recipe, library(), run.pool.schema)
    writer = Writer(names)
    frozen = {one.name: one for stage in run.result.stages for one in stage}
    try:
        with observing(program, run.pool, resources, frozen, tell) as observed:
            # A recipe's own feature goes before one of that name in the library.
            specs = {spec.name: spec for spec in (*_of_the_library(run.pool), *program.every_feature)}
            found = look(plan, cuts(plan, writer), tuple(specs.values()), run.subset, observed, near, tell)
        every = [one for cut in found.cuts for one in (*cut.kept, *cut.dropped)]
        if every:
            unpack_images(run.pool)
        chosen, why = samples(run.pool, every, names, pictures=True)
    except DcqlError as error:
        notices.append(_lacking("The samples could not be looked at", error))
        return None, {}
    if why:
        notices.append(f"There are no pictures: {why}.")
    return found, dict(chosen)


def _of_the_library(pool: Pool) -> Iterator[FeatureSpec]:
    """Yield the features of MIXES that the pool's columns are enough for."""
    for name in MIXES:
        with contextlib.suppress(DcqlError):
            compiled = compile_feature(name, pool.schema)
            assert isinstance(compiled, Compiled)
            yield compiled.program.features[0]


def refuse_other(out: Path) -> None:
    """Raise RunError (E1442) where there is something at `out` that is no report."""
    if not out.exists():
        return
    if out.is_dir():
        _refuse_out(out, "it is a folder")
    try:
        with out.open("rb") as file:
            known = GENERATOR.encode() in file.read(4096)
    except OSError as error:
        _refuse_out(out, error.strerror or str(error))
    if not known:
        _refuse_out(out, "it is a file that no `dcql report` wrote")


def write(out: Path, page: str) -> None:
    """Write a page, over an earlier report, whole or not at all. Raises RunError."""
    refuse_other(out)
    refuse_output(len(page.encode("utf-8")), "the report")
    with folders.replaced(out) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def _lacking(what: str, error: DcqlError) -> str:
    first = error.diagnostics[0]
    label = f" ({' '.join(first.label.split())})" if first.label else ""
    return printable(f"{what}: {first.message}{label}.")


def _refuse_manifest(folder: Path, error: Exception) -> NoReturn:
    label = f"it lacks or garbles {error}"
    message = f"`{folder / run_folder.MANIFEST}` cannot be read"
    raise RunError(Diagnostic("E0760", message, None, label, ("run the recipe again",))) from error


def _refuse_out(out: Path, label: str) -> NoReturn:
    raise RunError(
        Diagnostic("E1442", f"`{out}` is not a report", None, label, ("name a new file, or an earlier report",))
    )
