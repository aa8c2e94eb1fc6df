"""A SAMPLE that the grammar does not allow -> what is wrong with it: habits of SQL, and parts left out."""

from dcql.syntax.place import Place
from dcql.syntax.vocabulary import OPERATORS, RESERVED, SAMPLES, SET_OPERATIONS, Row


def in_sample(place: Place, word: str, previous: str) -> Row | None:
    """Return the row of a habit that shows in a SAMPLE, None where there is none."""
    if word == "USING" and place.at(1) == "SAMPLE":
        return "E0101", "unexpected `USING`", "SAMPLE stands alone", SAMPLES
    if word == "WEIGHT" and not {"WEIGHTS", "SEED"} & place.accepted:
        help_ = "a number of samples, heavy ones likelier: SAMPLE 1000 ROWS SEED 7 WEIGHT BY x"
        return "E0101", "unexpected `WEIGHT`", "part of a SAMPLE", help_
    if place.function() == "SAMPLE" and word in ("%", "PERCENT"):
        return "E0117", "a percentage is not a value", "a part of SAMPLE, without parentheses", SAMPLES
    said = _said(place)
    if said is None:
        return None
    return _amount(place, said) or _seed(place, word, said) or _after(place, word)


def _said(place: Place) -> list[str] | None:
    """Return the words after the SAMPLE that the place lies in, None where it lies in none."""
    here = place.before()
    if "SAMPLE" not in here:
        return None
    at = len(here) - 1 - here[::-1].index("SAMPLE")
    before = here[at - 1] if at else ""
    # A column may be called sample.
    names = OPERATORS | (RESERVED - {"NULL", "TRUE", "FALSE", "END"}) | {",", ""}
    return None if before in names else here[at + 1 :]


def _amount(place: Place, said: list[str]) -> Row | None:
    number = said[0] if said and said[0].isdecimal() and len(said[0]) < 12 else "10"
    if said[1:2] == ["%"]:
        return "E0117", "a percentage is not a value", "not a unit", f"SAMPLE {number} PERCENT SEED 7"
    if {"PERCENT", "ROWS"} <= place.accepted and len(said) == 1 and place.kind(0) != "word":
        return "E0102", *_without_unit(number)
    if {"PERCENT", "ROWS"} <= place.accepted and place.at(0) == "SEED":
        return "E0101", *_without_unit(number)
    return None


def _without_unit(number: str) -> tuple[str, str, str]:
    share = number if int(number) <= 100 else "10"
    help_ = f"SAMPLE {share} PERCENT SEED 7, or SAMPLE {number} ROWS SEED 7"
    return "SAMPLE without PERCENT or ROWS", "a share of the samples, or so many", help_


def _seed(place: Place, word: str, said: list[str]) -> Row | None:
    if place.accepted == {"SEED"}:
        first = "SEED comes first: " if word == "WEIGHT" else ""
        help_ = f"{first}SAMPLE {' '.join(said)} SEED 7: any whole number, or text"
        if sum(map(len, said)) > 60:
            help_ = "SEED 7: any whole number, or text"
        return ("E0101" if word else "E0102"), "SAMPLE without SEED", "a sample is drawn by its uid and a seed", help_
    if said[-1:] == ["SEED"]:
        shown = place.words[place.index].text if word else ""
        message = f"unexpected `{shown}`" if word else "the statement ends too early"
        label = "a seed is a whole number, text or a PARAM"
        return ("E0101" if word else "E0102"), message, label, "SEED 7, or SEED 'name'"
    return None


def _after(place: Place, word: str) -> Row | None:
    if "WEIGHT" not in place.accepted and "$END" not in place.accepted:
        return None
    if word == "BY" and "WEIGHT" in place.accepted:
        return "E0101", "unexpected `BY`", "expected `WEIGHT`", "SAMPLE 1000 ROWS SEED 7 WEIGHT BY x"
    if word in ("WHERE", "ORDER"):
        clause = "ORDER BY" if word == "ORDER" else word
        return "E0101", f"unexpected `{word}`", "SAMPLE ends a query", f"write {clause} before SAMPLE"
    if word in ("LIMIT", "SAMPLE"):
        help_ = f"say which comes first: SELECT uid FROM (SELECT .. SAMPLE ..) .. {word} .."
        return "E0101", f"unexpected `{word}`", "SAMPLE ends a query", help_
    if word in SET_OPERATIONS:
        help_ = f"put the part before it in parentheses: (SELECT .. SAMPLE ..) {word} SELECT .."
        return "E0132", f"`{word}` after `SAMPLE`", "SAMPLE ends a query", help_
    return None
