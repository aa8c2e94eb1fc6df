"""The smallest change of one cut of a recipe that turns its verdict on a sample."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from dcql.catalog.types import Type
from dcql.engine.observe import Standing
from dcql.inspect.funnel import section_title
from dcql.inspect.parts import Parts, grid_of
from dcql.inspect.verdict import Change, UnsureError
from dcql.inspect.why import Flip
from dcql.lower.observe import as_stored
from dcql.plan import nodes
from dcql.plan.comparison import Comparison, comparison
from dcql.plan.places import Path, Select, Step, clause_path, comparisons, own_features, put, put_at
from dcql.plan.written import limit_text, literal

# Runs of changed recipes, for changes that move a statistic. Each takes as long as the recipe's own statistics.
_MOST_RUNS = 6
_MOST_CANDIDATES = 500
_MOST_DIGITS = 12
# Whole numbers up to here are DOUBLEs exactly.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A change of one place, before it is known whether it turns the verdict."""

    change: Change
    new: nodes.Node | None
    flip: Flip


@dataclass
class Finder:
    """Tries every cut of a plan. `bare` is the plan without demands, `run` says whether a changed one keeps the sample.

    `untried` counts the changes that move a statistic and were not run, `unsought` the order statistics inside of
    larger expressions: no p of theirs is looked for.
    """

    bare: nodes.Plan
    parts: Parts
    told: list[Select]
    run: Callable[[nodes.Plan], bool | None]
    untried: int = 0
    unsought: int = 0

    def flips(self) -> tuple[Flip, ...]:
        """Return the changes that turn the verdict, the least first; those of unknown size last."""
        verdict = self.parts.verdict
        was = verdict.kept()
        found: list[Flip] = []
        unsure: list[_Candidate] = []
        candidates = self._candidates()
        for number, candidate in enumerate(candidates):
            if number == _MOST_CANDIDATES:
                self.untried += 1 + sum(1 for _ in candidates)
                break
            try:
                if verdict.changed(candidate.change).kept() != was:
                    found.append(candidate.flip)
            except UnsureError:
                if candidate.new is not None:
                    unsure.append(candidate)
        unsure.sort(key=lambda one: _size(one.flip))
        for candidate in unsure[:_MOST_RUNS]:
            assert candidate.new is not None
            kept = self.run(put(self.bare, candidate.change.path, candidate.new))
            if kept is not None and kept != was:
                # By its quantile the cut would move in other groups otherwise than by its value.
                found.append(replace(candidate.flip, checked=True, quantile=None, clause_by_quantile=None))
        self.untried += max(0, len(unsure) - _MOST_RUNS)
        return tuple(_distinct(sorted(found, key=_size)))

    # --- candidates ---------------------------------------------------------------------------------------------------

    def _candidates(self) -> Iterator[_Candidate]:
        for one in self.told:
            match one.rel:
                case nodes.Filter():
                    for number, clause in enumerate(one.rel.clauses):
                        for expr, path in comparisons(clause.expr, clause_path(one.path, number)):
                            yield from self._of_condition(one, number, expr, path)
                case nodes.Limit():
                    yield from self._of_limit(one, one.rel)

    def _of_condition(self, one: Select, number: int, expr: nodes.Expr, path: Path) -> Iterator[_Candidate]:
        if as_stored(expr) not in self.parts.observation.exprs:
            return  # a recipe may hold more conditions than were asked about
        if isinstance(expr, nodes.InSet):
            yield from self._of_set(one, number, expr, path)
            return
        found = comparison(expr)
        self.unsought += _inside(expr, found)
        if found is None:
            return
        stored = self.parts.observed.stored
        if any(not stored[feature.name].known for feature in own_features(found.value)):
            return
        value, now = self.parts.raw(found.value), self.parts.raw(expr)
        if value is None:
            return
        for outcome in (True, False):
            if now is outcome:
                continue
            cut = cut_for(found, value, outcome)
            if cut is None:
                continue
            assert isinstance(expr, nodes.Compare)
            new = replace(expr, right=cut) if found.on_right else replace(expr, left=cut)
            yield _Candidate(Change(path, outcome), new, self._flip(one, number, expr, new, found, path, outcome))

    def _flip(
        self,
        one: Select,
        number: int,
        expr: nodes.Expr,
        new: nodes.Expr,
        found: Comparison,
        path: Path,
        outcome: bool,
    ) -> Flip:
        assert isinstance(one.rel, nodes.Filter)
        writer, clause = self.parts.writer, one.rel.clauses[number]
        whole = clause_path(one.path, number)
        steps: tuple[Step, ...] = path[len(whole) :]  # type: ignore[assignment]
        standing = self.parts.standing(found)
        quantile = by_quantile = None
        if isinstance(found.cut, nodes.Quantile) and standing is not None:
            p = self._share_for(found, found.cut, standing, outcome)
            if p is not None:
                cut = replace(found.cut, rank=replace(found.cut.rank, p=p))
                quantile = writer.quantile(cut, found.value)
                assert isinstance(expr, nodes.Compare)
                other = replace(expr, right=cut) if found.on_right else replace(expr, left=cut)
                by_quantile = f"({writer.expression(put_at(clause.expr, steps, other))})"
        moved = None
        if standing is not None and standing.known:
            moved = abs(standing.cut_below - standing.below) / standing.known
        was = clause.text if expr == clause.expr else writer.expression(expr)
        file, span = None, None
        if clause.span is not None:
            file, span = clause.span.source.name, (clause.span.start, clause.span.end)
        return Flip(
            "cut",
            section_title(one.name),
            was,
            writer.expression(new),
            f"({writer.expression(put_at(clause.expr, steps, new))})",
            file,
            span,
            quantile,
            by_quantile,
            moved,
            False,
        )

    def _of_set(self, one: Select, number: int, expr: nodes.InSet, path: Path) -> Iterator[_Candidate]:
        """A set that holds the value, or does not, in place of the set as it is."""
        assert isinstance(one.rel, nodes.Filter)
        now, value = self.parts.raw(expr), self.parts.raw(expr.subject)
        if now is None or value is None:
            return
        clause, writer = one.rel.clauses[number], self.parts.writer
        word = "without" if now else "with"
        text = f"{expr.set.name} {word} {literal(nodes.Literal(value, expr.subject.type))}"
        was = writer.expression(expr)
        yield _Candidate(
            Change(path, not now),
            None,
            Flip("set", section_title(one.name), was, text, clause.text, None, None, None, None, None, False),
        )

    def _of_limit(self, one: Select, rel: nodes.Limit) -> Iterator[_Candidate]:
        ahead, samples = self.parts.observed.places[self.parts.names[rel]]
        if not self.parts.verdict.member(rel.input, (*one.path, ("input", ()))):
            return
        (cut,) = self.parts.observed.found[self.parts.names[rel]]
        assert isinstance(cut.value, int)
        count = ahead if ahead < cut.value else ahead + 1
        new = replace(rel, count=count)
        if rel.percent is not None:
            percent = _percent_for(rel.percent, count, samples)
            if percent is None:
                return
            new = replace(rel, percent=percent)
        moved = abs(count - cut.value) / samples if samples else None
        yield _Candidate(
            Change(one.path, count),
            new,
            Flip(
                "limit",
                section_title(one.name),
                limit_text(rel),
                limit_text(new),
                "",
                None,
                None,
                None,
                None,
                moved,
                False,
            ),
        )

    # --- values -------------------------------------------------------------------------------------------------------

    def _share_for(self, found: Comparison, cut: nodes.Quantile, standing: Standing, outcome: bool) -> Fraction | None:
        """Return the p nearest to that of `cut` for which a comparison with it comes out so."""
        statistic = self.parts.statistic(cut)
        if statistic is None or not statistic.n:
            return None
        nulls = statistic.nulls if cut.nulls_first else 0
        below, upto = nulls + standing.below, nulls + standing.below + standing.same
        # The k-th smallest is at most the value for k up to `upto`, and below it for k up to `below`.
        last = {">=": upto, "<": upto, ">": below, "<=": below}.get(found.op)
        if last is None:
            if found.op == "=" and outcome and standing.same:
                return _nearest_share(cut.rank, upto if statistic.k > upto else below + 1, statistic.n)
            return None
        wants_low = outcome == (found.op in (">=", ">"))
        k = last if wants_low else last + 1
        if not nulls < k <= statistic.n:
            return None
        return _nearest_share(cut.rank, k, statistic.n)


def _inside(expr: nodes.Expr, found: Comparison | None) -> int:
    """Count the order statistics in a condition that are no side of it."""
    cut = found.cut if found is not None else None
    values = nodes.children(expr) if not isinstance(expr, nodes.InRelation) else ()
    return sum(isinstance(node, nodes.Quantile) and node is not cut for one in values for node in nodes.walk(one))


def _size(flip: Flip) -> float:
    return flip.moved if flip.moved is not None else math.inf


def _distinct(flips: list[Flip]) -> Iterator[Flip]:
    """Leave out what says the same: each value of an IN list could be the one that changes."""
    seen: set[tuple[str, str, str]] = set()
    for flip in flips:
        key = (flip.section, flip.text, str(flip.span))
        if key not in seen:
            seen.add(key)
            yield flip


# --- cuts -------------------------------------------------------------------------------------------------------------


def cut_for(found: Comparison, value: "bool | int | float | str", outcome: bool) -> nodes.Literal | None:
    """Return the constant nearest to a value for which `value op constant` comes out so.

    None where there is none, and where no text of a recipe says it.
    """
    at, above, below = 0, 1, -1
    toward = {
        (">=", True): at, (">=", False): above, (">", True): below, (">", False): at,
        ("<=", True): at, ("<=", False): below, ("<", True): above, ("<", False): at,
        ("=", True): at, ("=", False): above, ("<>", True): above, ("<>", False): at,
    }[found.op, outcome]  # fmt: skip
    type_ = found.value.type
    if not type_.numeric:
        return nodes.Literal(value, type_) if toward == at and _is_writable(value) else None
    assert isinstance(value, int | float)
    if whole_number(found.value) and abs(value) >= _EXACT:
        return None
    moved = value if toward == at else neighbour(found.value, value, toward)
    if moved is None or not math.isfinite(moved):
        return None
    return nodes.Literal(moved, type_)


def whole_number(expr: nodes.Expr) -> bool:
    """Return whether an expression is an INT taken as DOUBLE."""
    return isinstance(expr, nodes.Convert) and expr.operand.type is Type.INT


def neighbour(expr: nodes.Expr, value: "int | float", toward: int) -> "int | float | None":
    """Return the next number above (1) or below (-1) a value that an expression can have; None beyond its type."""
    if expr.type is Type.INT or whole_number(expr):
        moved = value + toward
        return moved if -(2**63) < moved < 2**63 else None
    grid = grid_of(expr)
    if grid is not None:
        return value + toward * grid
    if expr.type is Type.FLOAT:
        import numpy as np

        return float(np.nextafter(np.float32(value), np.float32(toward * math.inf)))
    return math.nextafter(value, toward * math.inf)


def _is_writable(value: object) -> bool:
    """Return whether text of a recipe can hold a value."""
    return not isinstance(value, str) or not any(character in value for character in "\r\n")


def _nearest_share(rank: nodes.Rank, k: int, n: int) -> Fraction | None:
    """Return the p with the fewest digits at which the rank is the k-th of n."""
    low, high = Fraction(k - 1, n), Fraction(k, n)
    if rank.datacomp:
        low, high = Fraction(n - k, n), Fraction(n - k + 1, n)
    for digits in range(_MOST_DIGITS):
        scale = 10**digits
        for numerator in (math.floor(high * scale), math.floor(low * scale) + 1, math.ceil(low * scale)):
            p = Fraction(numerator, scale)
            if 0 <= p <= 1 and replace(rank, p=p).k(n) == k:
                return p
    return None


def _percent_for(now: Fraction, count: int, samples: int) -> Fraction | None:
    """Return the percentage with the fewest digits at which floor(p n / 100) is `count`."""
    for digits in range(_MOST_DIGITS):
        scale = 10**digits
        p = Fraction(math.ceil(Fraction(100 * count, samples) * scale), scale)
        if p <= 100 and math.floor(p * samples / 100) == count:
            return p
    return None
