"""Random pairs of recipes, and every mix of a pair as text.

A recipe is kept in parts, so that an edit, as it is reported, can be undone in the words of B: what is evaluated of a
mix is its text, by the oracle, and nothing of dcql has a hand in it.
"""

import random
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from dcql.plan.edits import Edit

FRACTIONS = ("0.1", "0.3", "0.5", "0.7")
NUMBERS = {
    "clip_l14": ("0", "0.2", "0.28", "0.3"),
    "clip_b32": ("0.1", "0.25", "0.28"),
    "quality": ("0", "0.25", "0.3", "1"),
    "width": ("0", "1", "200", "300"),
    "height": ("0", "2", "200"),
}


@dataclass
class Select:
    """One SELECT."""

    source: str
    clauses: list[str]

    def text(self, distinct: str = "") -> str:
        """Write it."""
        on = f"DISTINCT ON ({distinct}) " if distinct else ""
        where = f" WHERE {' AND '.join(self.clauses)}" if self.clauses else ""
        return f"SELECT {on}uid FROM {self.source}{where}"


@dataclass
class Query:
    """SELECTs and the operations between them; DISTINCT ON, ORDER BY and LIMIT of all of it."""

    selects: list[Select]
    operations: list[str] = field(default_factory=list)
    distinct: str = ""
    order: str = ""
    limit: str = ""

    @property
    def has_tail(self) -> bool:
        """Whether its ORDER BY counts."""
        return bool(self.distinct or self.limit)

    def text(self) -> str:
        """Write it."""
        body = self.selects[0].text(self.distinct if len(self.selects) == 1 else "")
        for at, (op, select) in enumerate(zip(self.operations, self.selects[1:], strict=True)):
            # From left to right, whatever binds tighter.
            body = f"{f'({body})' if at else body} {op} {select.text()}"
        if self.distinct and len(self.selects) > 1:
            body = f"SELECT DISTINCT ON ({self.distinct}) uid FROM ({body})"
        return (
            body + (f" ORDER BY {self.order}" if self.has_tail else "") + (f" LIMIT {self.limit}" if self.limit else "")
        )


@dataclass
class Recipe:
    """Stages by name, in order, and the query."""

    stages: dict[str, Query]
    query: Query

    def text(self) -> str:
        """Write it."""
        stages = ", ".join(f"{name} AS ({query.text()})" for name, query in self.stages.items())
        return f"WITH {stages} {self.query.text()}" if stages else self.query.text()


# --- drawing ----------------------------------------------------------------------------------------------------------


def clause(r: random.Random, stages: list[str], taken: list[str]) -> str:
    """Draw a clause that is not there yet."""
    while True:
        column = r.choice(list(NUMBERS))
        population = r.choice(["pool", *stages, *stages])
        drawn = r.choice(
            [
                f"{column} {r.choice(('>=', '<', '>'))} {r.choice(NUMBERS[column])}",
                f"{column} >= q({r.choice(FRACTIONS)} OF {population})",
                f"{column} <= q({r.choice(FRACTIONS)} OF {population})",
                f"{column} >= q({r.choice(FRACTIONS)} OF {population} BY grp)",
                f"{column} - q({r.choice(FRACTIONS)}, {column} OF {population}) >= 0.01",
                f"{column} >= q({r.choice(FRACTIONS)}, {r.choice(sorted(NUMBERS))} OF {population} BY grp)",
                f"(flag OR {column} > {r.choice(NUMBERS[column])})",
                f"grp IN ({r.choice(('0', '1, 2', '300'))})",
                f"text LIKE '{r.choice(('%a%', '%cat%', 'a%'))}'",
                *(f"uid {r.choice(('', 'NOT '))}IN {stage}" for stage in stages),
            ]
        )
        if drawn not in taken:
            return drawn


def select(r: random.Random, stages: list[str]) -> Select:
    """Draw a SELECT."""
    clauses: list[str] = []
    for _ in range(r.choice((1, 2, 2, 3))):
        clauses.append(clause(r, stages, clauses))
    return Select(r.choice(["pool", *stages]), clauses)


def query(r: random.Random, stages: list[str]) -> Query:
    """Draw a query."""
    drawn = Query([select(r, stages) for _ in range(r.choice((1, 1, 1, 2)))])
    drawn.operations = [r.choice(OPERATIONS) for _ in drawn.selects[1:]]
    drawn.order = r.choice(ORDERS)
    if r.random() < 0.2:
        drawn.limit = r.choice(LIMITS)
    elif r.random() < 0.1 and len(drawn.selects) == 1:
        drawn.distinct = "sha256"
    return drawn


OPERATIONS = ("UNION", "UNION ALL", "INTERSECT", "EXCEPT")
ORDERS = ("quality", "clip_l14 DESC", "width DESC, quality")
LIMITS = ("3", "8", "40 PERCENT")


def recipe(r: random.Random) -> Recipe:
    """Draw a recipe."""
    names = ["first", "second"][: r.choice((0, 1, 1, 2))]
    stages = {name: query(r, names[:at]) for at, name in enumerate(names)}
    return Recipe(stages, query(r, names))


def edited(r: random.Random, before: Recipe) -> Recipe:
    """Return a recipe after one edit."""
    after = deepcopy(before)
    place = r.choice([*after.stages, "", "", ""])
    whole = after.stages[place] if place else after.query
    above = list(after.stages)[: list(after.stages).index(place)] if place else list(after.stages)
    one = r.choice(whole.selects)
    match r.choice(
        ("add", "add", "remove", "change", "change", "change", "from", "from", "limit", "order", "operand", "swap")
    ):
        case "add":
            one.clauses.insert(r.randint(0, len(one.clauses)), clause(r, above, one.clauses))
        case "remove" if one.clauses:
            one.clauses.pop(r.randrange(len(one.clauses)))
        case "change" if one.clauses:
            at = r.randrange(len(one.clauses))
            column = one.clauses[at].split()[0]
            if column in NUMBERS:
                new = f"{column} >= {r.choice(NUMBERS[column])}"
                population = r.choice(["pool", *above])
                new = r.choice([new, f"{column} >= q({r.choice(FRACTIONS)} OF {population})"])
                if new not in one.clauses:
                    one.clauses[at] = new
        case "from":
            one.source = r.choice(["pool", *above])
        case "limit":
            whole.limit = r.choice(("", *LIMITS))
        case "order":
            whole.order = r.choice(ORDERS)
        case "operand":
            if len(whole.selects) > 1 and r.random() < 0.5:
                whole.selects.pop()
                whole.operations.pop()
            else:
                whole.selects.append(select(r, above))
                whole.operations.append(r.choice(OPERATIONS))
        case "swap" if len(one.clauses) > 1:
            one.clauses.append(one.clauses.pop(0))  # which is no edit
    return after


# --- undoing ----------------------------------------------------------------------------------------------------------


class NotInTextError(Exception):
    """An edit that cannot be undone in the text alone: where an operand stood is not in its words."""


def mix(before: Recipe, after: Recipe, undone: Iterable[Edit]) -> str:
    """Return the text of `after` with edits undone, each in its own words."""
    mixed = deepcopy(after)
    used = reached(after)
    for name, query in before.stages.items():
        if name not in used:
            mixed.stages[name] = deepcopy(query)
    for name, query in {**mixed.stages, "query": mixed.query}.items():
        old = before.query if name == "query" else before.stages[name]
        new = after.query if name == "query" else after.stages[name]
        if not new.has_tail:
            query.order = old.order
    parts = {edit.number: located(mixed, edit) for edit in undone}
    for edit in undone:
        query, select = parts[edit.number]
        match edit.kind:
            case "clause added":
                select.clauses.remove(written(select, edit.new))
            case "clause removed":
                select.clauses.append(bracketed(edit.old))
            case "clause changed":
                select.clauses[select.clauses.index(written(select, edit.new))] = bracketed(edit.old)
            case "FROM changed":
                select.source = edit.old
            case "LIMIT added" | "LIMIT removed" | "LIMIT changed":
                query.limit = edit.old
            case "DISTINCT ON added" | "DISTINCT ON removed":
                query.distinct = edit.old
            case "ORDER BY changed":
                query.order = edit.old
            case "set operation changed":
                query.operations[query.selects.index(select) - 1] = edit.old
            case "operand added" | "operand removed":
                pass
            case _:
                raise AssertionError(edit.kind)
    for edit in undone:
        query, select = parts[edit.number]
        if edit.kind == "operand added":
            at = next(at for at, one in enumerate(query.selects) if one is select)
            query.selects.pop(at)
            query.operations.pop(max(0, at - 1))
        elif edit.kind == "operand removed":
            add_operand(query, before.query if query is mixed.query else before.stages[edit.stage.split(",")[0]], edit)
    return mixed.text()


def located(recipe: Recipe, edit: Edit) -> tuple[Query, Select]:
    """Return the query and the SELECT that an edit is in."""
    name, *rest = edit.stage.split(", operand ")
    query = recipe.query if name == "query" else recipe.stages[name]
    return query, query.selects[int(rest[0]) - 1 if rest and not rest[0].endswith("of a") else 0]


def add_operand(query: Query, before: Query, edit: Edit) -> None:
    """Put back an operand: the last ones of A, in their order."""
    at = int(edit.stage.rsplit("operand ", 1)[1].removesuffix(" of a")) - 1
    if at < len(query.selects) or at == 0 or before.selects[at].text() not in edit.old:
        raise NotInTextError
    query.selects.append(before.selects[at])
    query.operations.append(before.operations[at - 1])


def written(select: Select, text: str) -> str:
    """Return a clause as the SELECT has it: a clause is told without its outer parentheses."""
    return text if text in select.clauses else f"({text})"


def bracketed(text: str) -> str:
    """Put parentheses around a clause where it needs them."""
    return f"({text})" if " OR " in text and not text.startswith("(") else text


def reached(recipe: Recipe) -> set[str]:
    """Return the stages that the query refers to, by way of others too."""
    found: set[str] = set()
    waiting = [recipe.query.text()]
    while waiting:
        text = waiting.pop()
        for name in recipe.stages:
            if name not in found and re.search(rf"\b{name}\b", text):
                found.add(name)
                waiting.append(recipe.stages[name].text())
    return found
