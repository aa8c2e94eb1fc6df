"""No change of one cut that turns a verdict is missed: against every cut that the values of a pool suggest."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from properties import COUNT, random_pool, small
from properties.why import sample_of

from dcql.inspect.why import Flip
from why.test_verdict import explained

# Pools whose scores are ordinary numbers with ties; in the others infinities stand beside what no FLOAT tells apart.
NUMBERS = [number for number in range(COUNT) if random_pool(number).rows >= 12]
COLUMNS = {"clip_l14": "clip_l14_similarity_score", "width": "original_width", "grp": "grp", "quality": "quality"}
CUTS = {
    "clip_l14": ("0.2", "0.28", "0.2505", "q(0.5)", "q(0.25 OF pool)", "q(0.9 NULLS FIRST)", "q(0.4 BY grp)"),
    "width": ("1", "200", "250.5", "q(0.6)", "q(0.4, height)"),
    "grp": ("1", "2"),
    "quality": ("0.25", "q(0.3)"),
}


@dataclass(frozen=True)
class Condition:
    """Text with a place for each cut, `{0}`, `{1}`, .., and for each what stands there and which column it compares."""

    text: str
    cuts: tuple[tuple[str, str], ...]

    def written(self, number: int | None = None, cut: str = "") -> str:
        """Write it, with another cut at one place."""
        return self.text.format(*(cut if at == number else given for at, (given, _) in enumerate(self.cuts)))


@st.composite
def conditions(draw: DrawFn, depth: int, first: int = 0) -> Condition:
    """A condition over comparisons; `first` is the number of its first cut."""
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind <= 1:
        name = draw(st.sampled_from(sorted(CUTS)))
        op = draw(st.sampled_from([">=", ">", "<", "<=", "=", "<>"]))
        cut = draw(st.sampled_from(CUTS[name]))
        written = f"{name} {op} {{{first}}}" if draw(st.booleans()) else f"{{{first}}} {op} {name}"
        return Condition(written, ((cut, name),))
    if kind == 2:
        inner = draw(conditions(depth - 1, first))
        return Condition(f"NOT ({inner.text})", inner.cuts)
    parts: list[Condition] = []
    for _ in range(3 if kind == 5 else 2):
        parts.append(draw(conditions(depth - 1, first + sum(len(part.cuts) for part in parts))))
    cuts = tuple(cut for part in parts for cut in part.cuts)
    texts = [f"({part.text})" for part in parts]
    if kind == 5:
        return Condition("CASE WHEN {} THEN {} ELSE {} END".format(*texts), cuts)
    return Condition((" AND " if kind == 3 else " OR ").join(texts), cuts)


def suggested(number: int, name: str) -> list[str]:
    """Return the cuts that matter to the values of a column: each of them, between and around them."""
    values = sorted({v for v in random_pool(number).columns[COLUMNS[name]] if v is not None and v == v})
    finite = [value for value in values if abs(value) < 1e6]
    if name in ("width", "grp"):
        return [str(value + more) for value in finite for more in (-1, 0, 1)]
    between = [(a + b) / 2 for a, b in pairwise(finite)]
    around = [finite[0] - 1, finite[-1] + 1] if finite else []
    return [f"{value:.9f}" for value in (*finite, *between, *around)]


def ordinary(number: int, name: str, row: int) -> bool:
    """Return whether a sample has a number there, not beyond what the suggested cuts reach."""
    value = random_pool(number).columns[COLUMNS[name]][row]
    return value is not None and value == value and abs(value) < 1e6


FORMS = (
    "SELECT uid FROM pool WHERE {}",
    "SELECT uid FROM pool WHERE uid NOT IN (SELECT uid FROM pool WHERE {})",
    "WITH part AS (SELECT uid FROM pool WHERE {}) SELECT uid FROM pool EXCEPT SELECT uid FROM part WHERE grp >= 0",
)


@settings(max_examples=settings().max_examples // 5)  # each asks the oracle some hundred times
@given(conditions(3), st.sampled_from(FORMS), st.sampled_from(NUMBERS), st.integers(0, 39))
def test_every_cut_that_can_turn_the_verdict_is_told(condition: Condition, form: str, number: int, row: int) -> None:
    ready = small(number)
    row %= ready.rows.rows
    uid = ready.rows.columns["uid"][row]
    told = explained(form.format(condition.written()), ready.raw, uid)
    assert told is not None
    for at, (_, name) in enumerate(condition.cuts):
        if not ordinary(number, name, row):
            continue
        turning = None
        for cut in suggested(number, name):
            after = sample_of(form.format(condition.written(at, cut)), ready.rows, uid)
            if (after.copies > 0) != told.kept:
                turning = cut
                break
        if turning is not None:
            wanted = condition.written(at, turning)
            assert any(flip.kind == "cut" and about(flip, name) for flip in told.flips), (wanted, told.flips)


def about(flip: Flip, name: str) -> bool:
    return name in flip.text
