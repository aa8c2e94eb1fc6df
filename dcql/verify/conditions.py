"""The conditions of `dcql verify --perturb`: which there are for a run, and what each of them changes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from dcql.catalog.pool import Pool
from dcql.compiler import Run, compile_feature, run_compiled
from dcql.engine.duck import Resources
from dcql.engine.features.again import compute_again
from dcql.engine.features.rates import rate
from dcql.engine.features.report import Computing, Use
from dcql.engine.features.running import cores
from dcql.engine.run import Progress
from dcql.lower.program import Program
from dcql.lower.stored import decode, encode
from dcql.verify import elsewhere, layouts
from dcql.verify.differences import first_difference
from dcql.verify.perturb import Attempt, Condition, LeftOut, Tried
from dcql.verify.process import new_process

_SHUFFLE_SEED = 20_240_229
_SMALL_MEMORY = 512 << 20
# A feature that takes longer than this is computed again for some samples only.
_SECONDS = 60.0
_SHARE, _FEWEST = Fraction(1, 100), 200
# No multiple of how many samples models take at once.
_ROWS = 37


def conditions_for(
    run: Run, computing: Computing | None = None, *, full: bool = False
) -> tuple[Condition | LeftOut, ...]:
    """Return the conditions under which to run again; one that changes nothing for this run is not among them.

    What would take long is left out, or done for some samples, unless `full` asks for it.
    """
    allowed = computing if computing is not None else Computing()
    pool, program = run.pool, run.compiled.program
    found: list[Condition | LeftOut] = [
        Condition(f"threads: {count}", _again(Resources(threads=count))) for count in (1, 2, 8)
    ]
    found.append(Condition("memory: 512 MB", _again(Resources(memory=_SMALL_MEMORY))))
    if len(pool.files) > 1:
        found.append(Condition("files reversed", _again(arrange=_reversed)))
        found.append(Condition("files shuffled", _again(arrange=_shuffled)))
    if pool.added:
        if program.marks is not None:
            found.append(Condition("file by file", _again(rewrite=_without_marks)))
        if program.over(pool) is not program:
            found.append(Condition("texts read", _again(arrange=_without_lengths)))
        found.append(Condition("raw files", _raw_files))
    found += _layouts(run, full=full)
    found += _stores(run, allowed, full=full)
    if not run.compiled.inputs:
        source = run.compiled.source
        found.append(Condition("stored program", _again(rewrite=lambda program: decode(encode(program), source))))
    found += [Condition(f"new process: {number}", new_process(number)) for number in (1, 2)]
    return tuple(found)


# --- the same files, in here ------------------------------------------------------------------------------------------


def _again(
    resources: Resources | None = None,
    arrange: Callable[[Pool], Pool] = lambda pool: pool,
    rewrite: Callable[[Program], Program] = lambda program: program,
) -> Attempt:
    """Return the attempt that runs the program, or another form of it, over the pool's files in some order."""

    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        compiled = replace(run.compiled, program=rewrite(run.compiled.program))
        return _compared(run, run_compiled(compiled, arrange(run.pool), resources, progress, computing=computing))

    return attempt


def _compared(run: Run, again: Run) -> Tried:
    ours, theirs = run.pool.fingerprint, again.pool.fingerprint
    if ours is not None and theirs is not None and ours != theirs:
        return Tried(again.hash, f"pool: fingerprint {ours} and {theirs}")
    return Tried(again.hash, first_difference(run.result, again.result))


def raw(pool: Pool) -> Pool:
    """Return an added pool as the raw files that it was made of: nothing of what was recorded is read."""
    files = tuple(replace(file, sidecar=None, lengths=None, rank=None, content="") for file in pool.files)
    return replace(pool, files=files, fingerprint=None, uids=None, distributions=None, lengths=())


def _without_marks(program: Program) -> Program:
    by_lengths = _without_marks(program.by_lengths) if program.by_lengths is not None else None
    return replace(program, marks=None, kept=None, by_lengths=by_lengths)


def _without_lengths(pool: Pool) -> Pool:
    return replace(pool, lengths=())


def _reversed(pool: Pool) -> Pool:
    return replace(pool, files=pool.files[::-1])


def _shuffled(pool: Pool) -> Pool:
    files = list(pool.files)
    random.Random(_SHUFFLE_SEED).shuffle(files)
    return replace(pool, files=tuple(files))


# --- in another store -------------------------------------------------------------------------------------------------


def _raw_files(run: Run, progress: Progress | None, computing: Computing) -> Tried:
    files = raw(run.pool)
    with elsewhere.store_for(run) as other:
        other.carry(files, layouts.as_it_is(run.pool))
        return _compared(run, run_compiled(run.compiled, files, None, progress, computing=computing))


def _layouts(run: Run, *, full: bool) -> list[Condition | LeftOut]:
    pool = run.pool
    found = [Condition("row groups", _laid_out(layouts.as_it_is, is_added=False, row_group=layouts.SMALL))]
    if len(pool.files) > 1:
        found.append(Condition("files merged", _laid_out(layouts.merged, is_added=pool.added)))
    found.append(Condition("files split", _laid_out(layouts.split, is_added=pool.added, row_group=layouts.SMALL)))
    why = layouts.why_not(pool, layouts.embeddings_of(run.compiled.program), full=full)
    return [*found] if why is None else [LeftOut(one.name, why) for one in found]


def _laid_out(layout: Callable[[Pool], layouts.Layout], *, is_added: bool, row_group: int = layouts.WHOLE) -> Attempt:
    """Return the attempt that writes the pool anew in another layout, and runs over that, added or raw."""

    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        with elsewhere.store_for(run) as other:
            lies = layout(run.pool)
            layouts.write(run, lies, other.folder / "pool", row_group)
            pool = elsewhere.opened(run.pool, other.folder / "pool", is_added=is_added)
            other.carry(pool, lies)
            return _compared(run, run_compiled(run.compiled, pool, None, progress, computing=computing))

    return attempt


def _stores(run: Run, computing: Computing, *, full: bool) -> list[Condition | LeftOut]:
    """Return the conditions about what the store holds: nothing, half of the values, all of them."""
    found: list[Condition | LeftOut] = []
    report = run.result.features
    costs = [_cost(use, computing, full=full) for use in report.uses] if report is not None else []
    anew = frozenset(cost.use.spec.name for cost in costs if cost.why is None)
    added_again = run.pool.added and layouts.why_not(run.pool, (), full=full) is None
    if costs:
        found.append(Condition("warm store", _warm))
    if added_again or anew:
        found.append(Condition("cold store", _cold(anew, add_again=added_again)))
    elif run.pool.added:
        found.append(LeftOut("cold store", layouts.why_not(run.pool, (), full=full) or ""))
    if anew:
        found.append(Condition("half a store", _half(anew)))
    for cost in costs:
        if cost.why is not None:
            name = f"again: {cost.use.spec.name}"
            found.append(Condition(name, _samples_again(cost.use)) if cost.by_sample else LeftOut(name, cost.why))
    return found


@dataclass(frozen=True, slots=True)
class _Cost:
    """Whether a feature is computed again as a whole: `why` not, and whether at least for some samples."""

    use: Use
    why: str | None = None
    by_sample: bool = True


def _cost(use: Use, computing: Computing, *, full: bool) -> _Cost:
    model = use.spec.model
    if not computing.compute:
        return _Cost(use, "it is not computed again: --no-compute", by_sample=False)
    if model.code is not None and not computing.own_code:
        return _Cost(use, "it runs code of the recipe's author: --own-code", by_sample=False)
    if model.tolerance:
        return _Cost(use, "its model has a TOLERANCE")
    known = rate(model.name)
    # A model is timed where it answered for a thousand samples.
    seconds = use.asked / known if known is not None else 0.0 if use.asked < 1000 else _SECONDS + 1
    return _Cost(use, f"about {seconds:,.0f} s" if seconds > _SECONDS and not full else None)


def _warm(run: Run, progress: Progress | None, computing: Computing) -> Tried:
    allowed = replace(computing, compute=False)
    return _compared(run, run_compiled(run.compiled, run.pool, None, progress, computing=allowed))


def _otherwise(computing: Computing) -> Computing:
    """Return another number of processes, and of samples that a model is asked of at once."""
    usual = computing.workers or cores()
    return replace(computing, workers=1 if usual > 1 else 2, rows=_ROWS)


def _cold(anew: frozenset[str], *, add_again: bool) -> Attempt:
    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        with elsewhere.store_for(run) as other:
            pool = elsewhere.opened(run.pool, run.pool.source, is_added=True) if add_again else run.pool
            other.carry(pool, layouts.as_it_is(run.pool), apart=anew)
            return _compared(run, run_compiled(run.compiled, pool, None, progress, computing=_otherwise(computing)))

    return attempt


def _half(anew: frozenset[str]) -> Attempt:
    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        with elsewhere.store_for(run) as other:
            other.carry(run.pool, layouts.as_it_is(run.pool), halved=anew)
            return _compared(run, run_compiled(run.compiled, run.pool, None, progress, computing=_otherwise(computing)))

    return attempt


def _samples_again(use: Use) -> Attempt:
    """Return the attempt that computes a feature again for one sample in a hundred, 200 at least."""

    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        name = use.spec.name
        compiled = compile_feature(name, run.compiled.schema, run.compiled.path)
        if isinstance(compiled, tuple):
            return Tried("", None, "not compared: an imported recipe declares it")
        allowed = replace(_otherwise(computing), compute=False)
        share = min(Fraction(1), max(_SHARE, Fraction(_FEWEST, max(1, use.asked))))
        tell = progress if progress is not None else _silent
        found = compute_again(compiled.program, name, run.pool, share, Resources(), allowed, tell)
        of = f"{found.compared:,} of {found.stored:,} samples"
        if found.beyond:
            others = f"{found.beyond:,} of {found.compared:,} samples have other values now"
            return Tried("", f"feature {name}: {others}, such as {found.uids[0]}", of)
        within = f", TOLERANCE {found.tolerance:g}" if found.largest else ""
        return Tried("", None, f"{of}, largest difference {found.largest:g}{within}")

    return attempt


def _silent(what: str, done: int, total: int) -> None:
    pass
