"""Two operands side by side: their subsets, and why they differ, as far as recipes and pools are at hand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dcql.catalog.pool import Pool
from dcql.compare.operands import Operand, refuse_other_pool
from dcql.errors import DcqlError, Diagnostic, LockError, RunError
from dcql.inspect.diff import Difference, difference
from dcql.subset import Subset

if TYPE_CHECKING:
    from dcql.compiler import Run
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress
    from dcql.engine.variants import Variants
    from dcql.inspect.causes import Attribution
    from dcql.plan import nodes

# Opens a pool by its name; the demo pool without one.
OpenPool: TypeAlias = Callable[[str | None], Pool]


@contextmanager
def _silent() -> "Iterator[Progress]":
    yield lambda what, done, total: None


@dataclass(frozen=True)
class Compared:
    """Two operands that were compared.

    `difference` is None where only two locks could be compared: what they record of the subsets is all there is.
    `attribution` is None where nothing says why the subsets differ, and `notes` say why not. `lock_lines` are the
    changes from one lock to the other, where both operands are locks.
    """

    a: Operand
    b: Operand
    difference: Difference | None
    attribution: "Attribution | None" = None
    lock_lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both are the same bag."""
        if self.difference is not None:
            return self.difference.equal
        assert self.a.lock is not None
        assert self.b.lock is not None
        return self.a.lock.subset == self.b.lock.subset


@dataclass
class Comparing:
    """How operands are compared: what opens pools, and what runs may use.

    `given` are the pools that were named for A and for B. `causes` is whether every difference is to be explained;
    None: where an operand has to be run in any case. `progress` is entered for each run over a pool.
    """

    open_pool: OpenPool
    given: tuple[str | None, str | None]
    causes: bool | None = None
    resources: "Resources | None" = None
    progress: Callable[[], "AbstractContextManager[Progress]"] = _silent
    computing: "Computing | None" = None
    notes: list[str] = field(default_factory=list)
    _opened: dict[str | None, Pool] = field(default_factory=dict)

    def compare(self, a: Operand, b: Operand) -> Compared:
        """Compare two operands. Raises what running their recipes raises."""
        lines = _lock_lines(a, b)
        stored = a.subset is not None and b.subset is not None
        if self.causes is False or (self.causes is None and stored):
            if stored and a.written and b.written:
                self.notes.append("`--causes` says why, by running both recipes over their pool at once")
            found = difference(self._subset(a, b, 0), self._subset(b, a, 1))
            return Compared(a, b, found, None, lines, self._noted(found))
        try:
            return self._explained(a, b, lines)
        except LockError as error:
            if not lines:
                raise
            self.notes.append(f"only what the locks record is compared: {error.diagnostics[0].message}")
            return Compared(a, b, None, None, lines, tuple(self.notes))

    def _noted(self, found: Difference) -> tuple[str, ...]:
        return () if found.equal else tuple(self.notes)

    # --- with causes --------------------------------------------------------------------------------------------------

    def _explained(self, a: Operand, b: Operand, lines: tuple[str, ...]) -> Compared:
        from dcql.inspect.clauses import against_clauses

        plans = [self._understood(one, other, number) for number, (one, other) in enumerate(((a, b), (b, a)))]
        if plans[0] is not None and plans[1] is not None:
            return self._attributed(a, b, plans[0], plans[1], lines)
        known = next((plan for plan in plans if plan is not None), None)
        if known is None:
            return self._unexplained(a, b, lines)
        side = "b" if plans[0] is not None else "a"
        stored = (a if side == "a" else b).subset
        assert stored is not None
        subset, attribution = against_clauses(stored, known[0], self._evaluate(known[1]), side)
        found = difference(stored, subset) if side == "a" else difference(subset, stored)
        return Compared(a, b, found, None if found.equal else attribution, lines, self._noted(found))

    def _unexplained(self, a: Operand, b: Operand, lines: tuple[str, ...]) -> Compared:
        """Compare two operands of which no recipe can be run. Raises RunError where causes were asked for."""
        if self.causes:
            raise RunError(
                Diagnostic(
                    "E1414",
                    "nothing says why the two differ",
                    label="neither is a recipe, or the run of one",
                    helps=("name a recipe for one of them", "leave `--causes` out to compare the subsets alone"),
                )
            )
        assert a.subset is not None
        assert b.subset is not None
        found = difference(a.subset, b.subset)
        return Compared(a, b, found, None, lines, self._noted(found))

    def _understood(self, operand: Operand, other: Operand, number: int) -> "tuple[nodes.Plan, Pool] | None":
        """Return an operand's plan and pool; None, with a note, where it has a stored subset and lacks one of them."""
        if operand.written is None:
            return None
        try:
            pool = self._pool(operand, other, number)
            if operand.lock is not None:
                _check_lock(operand, pool)
            return operand.written.plan(pool.schema), pool
        except DcqlError as error:
            if operand.subset is None or self.causes:
                raise
            first = error.diagnostics[0]
            self.notes.append(f"the recipe of `{operand.name}` cannot be run again ({first.code}: {first.message})")
            return None

    def _attributed(
        self,
        a: Operand,
        b: Operand,
        old: "tuple[nodes.Plan, Pool]",
        new: "tuple[nodes.Plan, Pool]",
        lines: tuple[str, ...],
    ) -> Compared:
        from dcql.inspect.attribution import Side, attribute
        from dcql.inspect.diff import copied
        from dcql.inspect.telling import restricted
        from dcql.plan.edits import edits_between

        same = is_same(old[1], new[1])
        edits = edits_between(old[0], new[0], None if same else (old[1].name, new[1].name))
        sides = [Side(plan, self._evaluate(old[1] if same else pool)) for plan, pool in (old, new)]
        found = attribute(edits, sides[0], sides[1])
        subsets = [
            self._recorded(operand, subset, pool)
            for operand, subset, pool in ((a, found.a, old[1]), (b, found.b, new[1]))
        ]
        compared = difference(*subsets)
        attribution = found.attribution
        if subsets[0] is not found.a or subsets[1] is not found.b:
            to = {"a": compared.only_a, "b": compared.only_b, "copies": copied(*subsets)}
            attribution = restricted(attribution, to, "what was recorded is not what the recipe keeps now")
        return Compared(a, b, compared, None if compared.equal else attribution, lines, tuple(self.notes))

    def _recorded(self, operand: Operand, now: Subset, pool: Pool) -> Subset:
        """Return what an operand holds: what is stored of it, with a note where its recipe keeps something else now."""
        was = operand.subset.hash if operand.subset is not None else operand.lock.subset if operand.lock else now.hash
        if was == now.hash:
            return now
        self.notes += [
            f"the recipe of `{operand.name}` keeps other samples now than it recorded",
            *self._since(operand, pool),
        ]
        return operand.subset or now

    def _since(self, operand: Operand, pool: Pool) -> "Iterator[str]":
        """Yield which features hold something else now than when an operand was recorded."""
        from dcql.inspect.features import features_to_json
        from dcql.locks.changes import short

        was = {}
        if operand.manifest is not None:
            was = {row["name"]: (row["id"], row["digest"]) for row in operand.manifest.get("features", ())}
        elif operand.lock is not None:
            was = {row[0]: (row[1], row[2]) for row in operand.lock.key.features}
        if not was:
            return
        report = self._run(operand, pool).result.features
        for row in features_to_json(report)["features"] if report is not None else ():
            name, now = row["name"], (row["id"], row["digest"])
            if name in was and was[name] != now:
                what = "what came out of it" if was[name][0] == now[0] else "what it is asked with"
                yield f"feature `{name}` of `{operand.name}`: {what} changed, {short(was[name][1])} -> {short(now[1])}"

    def _evaluate(self, pool: Pool) -> "Callable[[Sequence[nodes.Plan]], Variants]":
        from dcql.variants import run_variants

        def evaluate(plans: "Sequence[nodes.Plan]") -> "Variants":
            with self.progress() as tell:
                return run_variants(plans, pool, self.resources, tell, self.computing)

        return evaluate

    # --- parts --------------------------------------------------------------------------------------------------------

    def _pool(self, operand: Operand, other: Operand, number: int) -> Pool:
        name = self.given[number] or operand.pool or self.given[1 - number] or other.pool
        if name is None and operand.written is not None:
            operand.written.plan()  # a recipe that is wrong needs no demo pool to say so
        if name not in self._opened:
            self._opened[name] = self.open_pool(name)
        pool = self._opened[name]
        if operand.fingerprint is not None:
            refuse_other_pool(pool, {"name": operand.pool, "fingerprint": operand.fingerprint})
        return pool

    def _subset(self, operand: Operand, other: Operand, number: int) -> Subset:
        """Return an operand's subset, running its recipe where it is not stored."""
        if operand.subset is not None:
            return operand.subset
        pool = self._pool(operand, other, number)
        if operand.lock is not None:
            _check_lock(operand, pool)
        return self._run(operand, pool).subset

    def _run(self, operand: Operand, pool: Pool) -> "Run":
        from dcql.compiler import run_compiled

        assert operand.written is not None
        compiled = operand.written.compiled(pool.schema)
        with self.progress() as tell:
            return run_compiled(compiled, pool, self.resources, tell, computing=self.computing)


def is_same(a: Pool, b: Pool) -> bool:
    """Return whether two pools hold the same samples: by their fingerprints, or one source where neither has one."""
    if a.fingerprint is None and b.fingerprint is None:
        return a.source == b.source
    return a.fingerprint == b.fingerprint


def _lock_lines(a: Operand, b: Operand) -> tuple[str, ...]:
    if a.lock is None or b.lock is None:
        return ()
    from dcql.locks.changes import changes

    return changes(a.lock, b.lock).lines


def _check_lock(operand: Operand, pool: Pool) -> None:
    """Raise LockError where the recipe beside a lock is no longer what the lock was made from."""
    from dcql.locks.changes import input_changes
    from dcql.locks.lock import SEMANTICS
    from dcql.records.locking import key_of

    assert operand.lock is not None
    assert operand.written is not None
    promised = operand.lock.key.before_running
    lines: tuple[str, ...]
    if promised.semantics != SEMANTICS:
        lines = (f"semantics: the lock follows {promised.semantics}, this dcql {SEMANTICS}",)
    else:
        key = key_of(operand.written.compiled(pool.schema), pool)
        lines = input_changes(promised, key, operand.lock.pool_name, pool.name)
    if lines:
        raise LockError(
            Diagnostic(
                "E1413",
                f"what `{operand.name}` records cannot be computed any more",
                label="\n".join(lines),
                helps=("compare the recipe itself, or the recipe of the lock's revision: `REV:path`",),
            )
        )
