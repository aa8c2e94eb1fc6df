"""How a sample is told about: the verdict, each clause with value, cut and margin, and what would turn it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dcql.catalog.types import Type
from dcql.cli.fitting import fitted
from dcql.cli.render import number
from dcql.cli.shell import plural, shown
from dcql.inspect.why import (
    ClauseTold,
    CopiesTold,
    FirstTold,
    Flip,
    LimitTold,
    OperationTold,
    Part,
    SampleTold,
    SectionTold,
    Tail,
    Value,
    Why,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dcql.catalog.pool import Pool
    from dcql.engine.features.sample import StoredValue
    from dcql.engine.locate import Place
    from dcql.inspect.why import Cut, Rank

_LONGEST = 60  # characters of a text value
_FLIPS = 5
_STYLES = {"yes": "green", "no": "red", "NULL": "yellow", "-": "dim"}


def draw_why(console: "Console", recipe: str, told: Why) -> None:
    """Print why a sample is kept or dropped."""
    from rich.text import Text

    heading = Text(told.uid, "bold")
    heading.append(f" in {shown(recipe)} on {shown(told.pool)}", "not bold dim")
    console.print(heading)
    word = "kept" if told.kept else "dropped"
    verdict = Text(word, "bold green" if told.kept else "bold red")
    if told.copies > 1:
        verdict.append(f", {told.copies:,} times", "not bold")
    if not told.kept and (reason := _reason(told)):
        verdict.append(f": {shown(reason)}", "not bold")
    console.print(fitted(console, verdict, 2))
    draw = _Lines(console)
    for section in told.sections:
        console.print()
        draw.section(section, told)
    console.print()
    draw.flips(told)


def _reason(told: Why) -> str:
    """Say where the sample drops out: the first clause that fails, in the last SELECT that it reaches."""
    for section in reversed(told.sections):
        if section.kept or not section.reached:
            continue
        if section.failing:
            more = len(section.failing) - 1
            first = section.clauses[section.failing[0]]
            others = f", and {plural(more, 'clause')} more" if more else ""
            return f"{first.text} is {_word_of(first.truth)}{others}"
        for one in section.tail:
            if not one.kept:
                return _tail_reason(one)
    return ""


def _tail_reason(one: Tail) -> str:
    match one:
        case CopiesTold():
            return f"{one.text} gives it 0 copies"
        case LimitTold():
            return f"{one.text} keeps {one.keep:,}, and it comes {one.place:,} of {one.samples:,}"
        case SampleTold():
            return f"{one.text}: {_draw(one)}"
        case FirstTold():
            return f"{one.first} is the first of its group"
        case OperationTold():
            return _left_out(one)


def _left_out(told: OperationTold) -> str:
    """Say which operand of a set operation leaves the sample out."""
    held = False
    reason = "no operand holds it"
    for place, (op, _, holds) in enumerate(told.operands, start=1):
        was = held
        match op:
            case "EXCEPT":
                held = was and not holds
            case "INTERSECT":
                held = was and holds
            case _:
                held = was or holds
        if was and not held:
            reason = f"operand {place}, after {op}, {'holds' if holds else 'does not hold'} it"
    return reason


def _word_of(truth: bool | None) -> str:
    return {True: "TRUE", False: "FALSE", None: "NULL"}[truth]


class _Lines:
    def __init__(self, console: "Console") -> None:
        self._console = console

    def section(self, section: SectionTold, told: Why) -> None:
        """Print a SELECT."""
        from rich.text import Text

        heading = Text(shown(section.name), "bold")
        heading.append(f" from {shown(section.source)}", "not bold dim")
        if not section.reached:
            heading.append("  does not hold the sample", "not bold dim")
        self._console.print(heading)
        for clause in section.clauses:
            self._clause(clause, section)
        for one in section.tail:
            self._tail(one, told)

    def _clause(self, clause: ClauseTold, section: SectionTold) -> None:
        if not clause.asked:
            waits = ", ".join(section.clauses[number].text for number in clause.waits_for)
            why = f"{waits} does not hold" if waits else "the sample does not come this far"
            self._line("-", clause.text, f"not asked: {shown(why)}", 2)
        else:
            self._mark(clause.truth, clause.text, 2)
        if clause.part is not None:
            if not clause.asked:
                self._note(f"stored all the same: it would be {_word_of(clause.part.truth)}", 8)
            self._details(clause.part, 8)
        elif not clause.asked:
            self._note("not stored either", 8)
        for feature, failure in clause.failures:
            self._note(f"{feature} has no value: {failure}", 8)

    def _mark(self, truth: bool | None, text: str, indent: int) -> None:
        self._line({True: "yes", False: "no", None: "NULL"}[truth], text, "", indent)

    def _line(self, mark: str, text: str, rest: str, indent: int) -> None:
        from rich.text import Text

        line = Text(" " * indent)
        line.append(f"{mark:<4}", _STYLES[mark])
        line.append(f"  {shown(text)}")
        if rest:
            line.append(f"  {rest}", "dim")
        self._print(line, indent + 6)

    def _details(self, part: Part, indent: int) -> None:
        """Print what a condition looks at, or the conditions that it is made of."""
        for words in _words(part):
            self._note(words, indent)
        for one in part.parts:
            self._mark(one.truth, one.text, indent)
            self._details(one, indent + 6)

    def _note(self, text: str, indent: int) -> None:
        from rich.text import Text

        self._print(Text(" " * indent + shown(text), "dim"), indent + 2)

    def _print(self, line: "Text", hang: int) -> None:
        self._console.print(fitted(self._console, line, hang))

    def _tail(self, one: Tail, told: Why) -> None:
        match one:
            case CopiesTold():
                self._after(one.count is not None, one.kept, one.text)
                self._note("does not reach it" if one.count is None else _times(one.count), 8)
            case LimitTold():
                self._after(one.place is not None, one.kept, one.text)
                reached = f"{one.place:,} of {one.samples:,}" if one.place is not None else "does not reach it"
                group = f" with {_listed(one.group)}" if one.group and one.place is not None else ""
                self._note(f"{reached}{group}; {one.keep:,} are kept", 8)
                if one.place is not None:
                    self._note(f"ordered by {_listed(one.keys)}", 8)
            case SampleTold():
                self._after(one.reached, one.kept, one.text)
                self._note(_draw(one) if one.reached else "does not reach it", 8)
            case FirstTold():
                self._after(one.first is not None or one.kept, one.kept, "DISTINCT ON")
                for words in _first(one, told.uid):
                    self._note(words, 8)
            case OperationTold():
                for place, (op, name, holds) in enumerate(one.operands, start=1):
                    self._line("yes" if holds else "no", f"{op or 'in'} operand {place}, from {name}", "", 2)

    def _after(self, reached: bool, kept: bool, text: str) -> None:
        self._line(("yes" if kept else "no") if reached else "-", text, "", 2)

    def flips(self, told: Why) -> None:
        """Print what would turn the verdict."""
        from rich.text import Text

        word = "dropped" if told.kept else "kept"
        if not told.flips:
            untried = f"; {plural(told.untried, 'change')} that move a threshold were not run" if told.untried else ""
            self._print(Text(f"no change of one cut would have it {word}{untried}", "dim"), 2)
            self._unsought(told)
            return
        for place, flip in enumerate(told.flips[:_FLIPS]):
            line = Text(f"{word} if " if place == 0 else "     or ", "bold" if place == 0 else "")
            line.append(shown(flip.text), "bold")
            line.append(f"  now {shown(flip.was)}", "not bold dim")
            self._print(line, 8)
            for words in _about(flip, told):
                self._note(words, 8)
        if (more := len(told.flips) - _FLIPS) > 0:
            self._note(f"and {plural(more, 'change')} more, in --format json", 5)
        if told.untried:
            self._note(f"{plural(told.untried, 'change')} that move a threshold were not run", 5)
        self._unsought(told)

    def _unsought(self, told: Why) -> None:
        if told.unsought:
            count = plural(told.unsought, "order statistic")
            self._note(f"of {count} inside of larger expressions no other p was looked for", 5)


def _draw(one: SampleTold) -> str:
    """Say where a SAMPLE finds the sample."""
    if one.percent is not None:
        return f"its hash lies at {one.at:.6g} % of all, and those below {one.percent:.6g} % are drawn"
    by = "by its hash"
    if one.weight is not None:
        weight = f"{one.weight.text} = {_value(one.weight)}"
        if one.place is None:
            return f"{weight}: without a weight, a sample is never drawn"
        by = f"by its weight and hash, with {weight}"
    return f"{one.place:,} of {one.samples:,} {by}; {one.keep:,} are drawn"


def _about(flip: Flip, told: Why) -> Iterator[str]:
    if flip.quantile is not None:
        yield f"that is {flip.quantile}"
    words = [f"in {flip.section}"] if len(told.sections) > 1 else []
    if flip.moved is not None:
        what = "hashes" if flip.kind == "sample" else "samples"
        words.append(f"{100 * flip.moved:.2g} % of the {what} lie between")
    if flip.checked:
        words.append("the recipe was run with it, for it moves others too")
    if words:
        yield "; ".join(words)


def _words(part: Part) -> Iterator[str]:
    """Say what a condition looks at, a line at a time."""
    if part.cut is not None and part.values:
        value = part.values[0]
        words = [f"{value.text} = {_value(value)}", _cut(part.cut)]
        if part.margin is not None:
            words.append(f"margin {_margin(part)}")
        yield "  ".join(words)
        if part.cut.statistic is not None:
            yield _statistic(part.cut)
        if part.rank is not None:
            yield _rank(part.rank)
        return
    if part.values and not part.parts:
        yield _listed(part.values)


def _cut(cut: "Cut") -> str:
    value = _value(Value("", cut.value, cut.type))
    return f"cut {value}" if cut.statistic is None and cut.text == value else f"cut {value} = {cut.text}"


def _margin(part: Part) -> str:
    assert part.margin is not None
    words = f"{part.margin:+,}" if isinstance(part.margin, int) else f"{part.margin:+.6g}"
    if part.steps is not None:
        words += f" ({part.steps:+,.10g} steps)"
    return words


def _statistic(cut: "Cut") -> str:
    found = cut.statistic
    assert found is not None
    words = [f"{found.name}  n {found.n:,}  k {found.k:,}  ties {found.ties:,}"]
    if found.nulls:
        words.append(f"NULL {found.nulls:,}")
    if found.population != "pool":
        words.append(f"of {found.population}")
    if found.group:
        words.append(f"for {', '.join('NULL' if key is None else str(key) for key in found.group)}")
    return "  ".join(words)


def _rank(rank: "Rank") -> str:
    others = rank.ties - 1
    ties = f", {others:,} {'other' if others == 1 else 'others'} with the same value" if others > 0 else ""
    percent = 100 * rank.place / rank.known
    # A sample outside of a population has a place there all the same.
    word = "rank" if rank.ties else "would be rank"
    return f"{word} {rank.place:,} of {rank.known:,} in {rank.among}, top {percent:.3g} %{ties}"


def _times(count: int) -> str:
    if count == 0:
        return "0 copies: it is dropped"
    return f"{plural(count, 'copy')} for each that it comes with"


def _first(one: FirstTold, uid: str) -> Iterator[str]:
    if one.first is None:
        yield f"{_listed(one.keys)}: without a key, every sample stays" if one.kept else "the sample does not reach it"
        return
    if one.first == uid:
        yield f"the first of the {plural(one.size, 'sample')} with {_listed(one.keys)}"
    else:
        yield f"{one.first} is the first of the {plural(one.size, 'sample')} with {_listed(one.keys)}"
    yield f"ordered by {_listed(one.order)}"


def _listed(values: Sequence[Value]) -> str:
    return ", ".join(f"{one.text} = {_value(one)}" for one in values)


def _value(one: Value) -> str:
    return value_text(one.value, one.type)


def value_text(value: Any, type_: Type) -> str:
    """Write a value of a pool in one line, long text cut."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
        return "'" + cut.replace("'", "''") + "'"
    return number(value, type_)


def draw_known(
    console: "Console",
    pool: "Pool",
    place: "Place",
    values: Mapping[str, Any],
    stored: "Sequence[StoredValue]",
) -> None:
    """Print what a pool and the feature store hold of a sample."""
    from rich.text import Text

    heading = Text(place.uid, "bold")
    heading.append(f" in {shown(pool.name)}", "not bold dim")
    console.print(heading)
    console.print(Text(f"row {place.row:,} of {shown(place.file.name)}", "dim"))
    console.print()
    types = {column.name: column.type for column in pool.schema.columns}
    names = [name for name in values if name != "uid"]
    width = max(map(len, names), default=0)
    for name in names:
        type_ = types.get(name, Type.NESTED)
        value = values[name]
        written = str(value) if type_ is Type.NESTED and value is not None else value_text(value, type_)
        line = Text.assemble((shown(name).ljust(width), "dim"), "  ", shown(written))
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    console.print()
    if not stored:
        console.print(Text("no feature is stored for it", "dim"))
        return
    console.print(Text("features", "bold"))
    width = max(len(shown(one.name)) for one in stored)
    for one in stored:
        value = f"no value: {one.failure}" if one.failure is not None else value_text(one.value, _type_of(one.output))
        line = Text.assemble((shown(one.name).ljust(width), "dim"), f"  {shown(value)}")
        line.append(f"  by {shown(one.model)}", "dim")
        console.print(line)


def _type_of(output: str) -> Type:
    return Type.DOUBLE if output.startswith("FIXED(") else Type(output)
