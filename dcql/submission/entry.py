"""entry.toml, the author's file: who submits what, in which track, at which scale."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NoReturn

import tomli_w

from dcql.digest import sha256_of
from dcql.errors import Diagnostic, RunError
from dcql.submission.layout import ENTRY, SCHEMA

TRACKS = ("filtering", "byod")
MAX_AUTHORS = 200
MAX_NAME = 100
MAX_URL = 500
_URL = re.compile(r"https?://[!-~]+")
# What is not drawn, or turns the direction of what is: a name could be read as another one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_HEADER = """\
# The author's file of this submission. name, authors, track and created are to be filled in; url and writeup are
# addresses and may stay empty. In the byod track `sources` names where data outside of the pool comes from.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What entry.toml says. `evaluation` is the hash of the evaluation that the entry stands for, and `results` the
    digest of the file with its numbers.

    `created` is None, and `name` and `track` are empty, in a template that nobody filled in.
    """

    name: str
    authors: tuple[str, ...]
    track: str
    scale: str
    created: date | None
    evaluation: str
    results: str
    url: str = ""
    writeup: str = ""
    sources: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The last link of the chain: `dcentry1:` and the hex SHA-256 of everything that the entry says."""
        said = {
            "name": self.name,
            "authors": list(self.authors),
            "track": self.track,
            "scale": self.scale,
            "created": self.created.isoformat() if self.created is not None else "",
            "evaluation": self.evaluation,
            "results": self.results,
            "url": self.url,
            "writeup": self.writeup,
            "sources": list(self.sources),
        }
        return "dcentry1:" + sha256_of(said).removeprefix("sha256:")

    def text(self) -> str:
        """The entry as TOML: the same bytes for the same entry."""
        author: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "authors": list(self.authors),
            "track": self.track,
            "created": self.created if self.created is not None else "",
            "url": self.url,
            "writeup": self.writeup,
        }
        if self.track != "filtering":
            author["sources"] = list(self.sources)
        measured = {"scale": self.scale, "evaluation": self.evaluation, "results": self.results}
        return f"{_HEADER}{tomli_w.dumps(author)}\n# Written by `dcql submit`.\n{tomli_w.dumps({'result': measured})}"


def faults_of(entry: Entry) -> tuple[str, ...]:
    """Return what an entry lacks, one line a fault; none for an entry that may go on a board."""
    faults: list[str] = []
    if not entry.name.strip():
        faults.append("`name` is empty: the submission's name, as the board shows it")
    elif (why := _not_a_name(entry.name)) is not None:
        faults.append(f"`name` {why}")
    if not entry.authors:
        faults.append('`authors` is empty: authors = ["A. Name", "B. Name"]')
    elif len(entry.authors) > MAX_AUTHORS:
        faults.append(f"`authors` has more than {MAX_AUTHORS} names")
    faults += [f"`authors` {why}" for author in entry.authors if (why := _not_a_name(author)) is not None]
    if entry.track not in TRACKS:
        said = f"`{entry.track}`" if entry.track else "empty"
        faults.append(f"`track` is {said}: it is one of {', '.join(TRACKS)}")
    if entry.created is None:
        faults.append("`created` is empty: a date, as in created = 2026-01-31")
    for field in ("url", "writeup"):
        address = getattr(entry, field)
        if address and (len(address) > MAX_URL or not _URL.fullmatch(address)):
            faults.append(f"`{field}` is no address: it starts with https:// or http:// and holds no spaces")
    faults += [f"`sources` {why}" for source in entry.sources if (why := _not_a_name(source, MAX_URL)) is not None]
    if entry.track == "byod" and not entry.sources:
        faults.append("`sources` is empty: in the byod track it names where the data comes from")
    if entry.track == "filtering" and entry.sources:
        faults.append("`sources` names other data, which the filtering track does not take")
    return tuple(faults)


def _not_a_name(text: str, limit: int = MAX_NAME) -> str | None:
    if not text.strip():
        return "holds an empty text"
    if len(text) > limit:
        return f"holds a text of more than {limit} characters"
    hidden = next((c for c in text if unicodedata.category(c) in _INVISIBLE), None)
    return None if hidden is None else f"holds U+{ord(hidden):04X}, which is not visible"


def read_entry(text: str) -> Entry:
    """Read entry.toml, filled in or not. Raises RunError (E1302) with all that is no entry at all."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(str(error))
    version = data.get("schema")
    if version != SCHEMA:
        _refuse("it has no `schema`" if version is None else f"it is of schema {version}, and this dcql reads {SCHEMA}")
    known = {"schema", "name", "authors", "track", "created", "url", "writeup", "sources", "result"}
    if unknown := sorted(data.keys() - known):
        _refuse(f"`{unknown[0]}` is no field of it")
    result = data.get("result")
    if not isinstance(result, dict):
        _refuse("`[result]` is missing")
    return Entry(
        name=_text(data, "name"),
        authors=_texts(data, "authors"),
        track=_text(data, "track"),
        scale=_text(result, "scale"),
        created=_date(data.get("created", "")),
        evaluation=_text(result, "evaluation"),
        results=_text(result, "results"),
        url=_text(data, "url", ""),
        writeup=_text(data, "writeup", ""),
        sources=_texts(data, "sources", ()),
    )


def check_entry(entry: Entry) -> None:
    """Raise RunError (E1302) with everything that an entry lacks."""
    if faults := faults_of(entry):
        _refuse("\n".join(faults))


def _text(data: dict[str, Any], name: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str):
        _refuse(f"`{name}` is missing" if value is None else f"`{name}` is not text")
    return value


def _texts(data: dict[str, Any], name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    value = data.get(name, default)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        _refuse(f"`{name}` is missing" if value is None else f"`{name}` is not a list of text")
    return tuple(value)


def _date(value: object) -> date | None:
    if value == "":
        return None
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            _refuse(f"`created` is {value!r}, which is no date")
    if not isinstance(value, date) or isinstance(value, datetime):
        _refuse("`created` is no date: write it as in created = 2026-01-31")
    return value


def _refuse(label: str) -> NoReturn:
    helps = ("fill it in by hand, or by `dcql submit RUN -o DIR --name .. --author .. --track ..`",)
    raise RunError(Diagnostic("E1302", f"`{ENTRY}` is not filled in as it has to be", None, label, helps))
