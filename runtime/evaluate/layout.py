"""A task's set on disk: clip-benchmark's webdataset layout, read in one pass and identified by what is in it.

wds_KEY_test/                             KEY with `-` for `/`; `fairness/` is left out
  classnames.txt                          a class a line; label i is line i, from 0
  zeroshot_classification_templates.txt   a template a line, with {c} for the class
  dataset_type.txt                        `retrieval`; without it: classification
  instances.jsonl                         WinoGAViL alone: {"cue", "candidates", "associations"} a line
  test/nshards.txt                        how many tars there are
  test/0.tar test/1.tar ..                KEY.{webp,png,jpg,jpeg} with KEY.cls (the label, in digits), KEY.npy
                                          (numbers about the sample) or KEY.txt (captions, one a line)
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from dcql.runtime.evaluate.places import Place, address_of, place
from dcql.runtime.evaluate.tasks import Task
from numpy.typing import NDArray

from dcql.digest import sha256_of
from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json
from dcql.npy import read_npy
from dcql.tars.members import DamagedTarError, members

IMAGES = ("webp", "png", "jpg", "jpeg")
CLASSNAMES, TEMPLATES, TYPE = "classnames.txt", "zeroshot_classification_templates.txt", "dataset_type.txt"
INSTANCES, SHARDS = "instances.jsonl", "nshards.txt"
SPLIT = "test"
_MAX_SHARDS = 1 << 20


@dataclass(frozen=True, slots=True)
class EvalSet:
    """A set that was found: what its text files say. `instances` is empty but for WinoGAViL."""

    task: Task
    root: Place
    shards: tuple[str, ...]
    classnames: tuple[str, ...]
    templates: tuple[str, ...]
    instances: tuple[dict[str, Any], ...]

    def stamp(self) -> str | None:
        """Return what changes when a file of the set does, at the cost of asking for each; None where nobody says."""
        names = (CLASSNAMES, TEMPLATES, INSTANCES, *(f"{SPLIT}/{name}" for name in (SHARDS, *self.shards)))
        stamps = {name: self.root.at(name).stamp() for name in names}
        tars = [stamps[f"{SPLIT}/{name}"] for name in self.shards]
        return None if None in tars else sha256_of(stamps)


@dataclass(frozen=True, slots=True)
class Sample:
    """The members of a tar that share a key, by extension."""

    key: str
    tar: str
    files: dict[str, bytes]

    @property
    def image(self) -> bytes:
        """The encoded image. Raises RunError where there is none."""
        for extension in IMAGES:
            if extension in self.files:
                return self.files[extension]
        damaged(self, "it has no image: .webp, .png, .jpg or .jpeg")

    def label(self, classes: int) -> int:
        """Return the class of the sample, from 0. Raises RunError where there is none, or no such class."""
        text = self._file("cls").strip()
        if not text.isdigit() or len(text) > 18:
            damaged(self, "its .cls is no number of a class")
        if int(text) >= classes:
            damaged(self, f"it is of class {int(text)}, and the last of {classes:,} is {classes - 1}")
        return int(text)

    def numbers(self, names: tuple[str, ...], used: tuple[str, ...]) -> NDArray[np.int64]:
        """Return those of the numbers about the sample that are `used`, (len(used),); `names` are all of them.

        Raises RunError where there are more or fewer, or one that is used is not whole.
        """
        try:
            values = read_npy(io.BytesIO(self._file("npy"))).reshape(-1)
        except ValueError:
            damaged(self, "its .npy cannot be read")
        if len(values) != len(names) or values.dtype.kind not in "iufb":
            damaged(self, f"its .npy holds other than {len(names)} numbers: {', '.join(names)}")
        chosen = values[[names.index(name) for name in used]].astype(np.float64)
        if not np.array_equal(chosen, np.floor(chosen)):
            damaged(self, f"its .npy has a group that is no whole number: {', '.join(used)}")
        whole: NDArray[np.int64] = chosen.astype(np.int64)
        return whole

    def captions(self) -> list[str]:
        """Return the captions. Raises RunError where there is none."""
        try:
            lines = self._file("txt").decode("utf-8").splitlines()
        except UnicodeDecodeError:
            damaged(self, "its .txt is not UTF-8")
        if not lines:
            damaged(self, "its .txt holds no caption")
        return lines

    def _file(self, extension: str) -> bytes:
        if extension not in self.files:
            damaged(self, f"it has no .{extension}")
        return self.files[extension]


@dataclass(slots=True)
class Reader:
    """The samples of a set in their order; `digest` is there once all were read.

    The digest is of what the set says, not of how it is packed: the lists of its text files, and the name and content
    of every member in order. Tars cut elsewhere, or written by another program, give the same.
    """

    set: EvalSet
    digest: str = ""
    _hash: Any = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples. Raises RunError where a tar is damaged or holds the same file of a sample twice."""
        for name in self.set.shards:
            key, files = "", dict[str, bytes]()
            tar = f"{self.set.task.folder}/{SPLIT}/{name}"
            for member, content in _members(self.set.root.at(SPLIT, name)):
                self._add(member, content)
                stem, extension = split_name(member)
                if not extension:
                    continue
                if stem != key:
                    if files:
                        yield Sample(key, tar, files)
                    key, files = stem, {}
                if extension in files:
                    damaged(Sample(key, tar, files), f"it has two .{extension}")
                files[extension] = content
            if files:
                yield Sample(key, tar, files)
        said = {
            "classnames": list(self.set.classnames),
            "templates": list(self.set.templates),
            "instances": list(self.set.instances),
            "members": self._hash.hexdigest(),
        }
        self.digest = sha256_of(said)

    def _add(self, name: str, content: bytes) -> None:
        encoded = name.encode("utf-8", "surrogateescape")
        self._hash.update(len(encoded).to_bytes(8, "big") + encoded + len(content).to_bytes(8, "big") + content)


def find(data: str, task: Task) -> EvalSet | None:
    """Return the set of a task among those at `data`, a path or URL; None where there is none.

    Raises RunError where there is one, and it is not whole.
    """
    root = place(address_of(data, task.folder))
    counted = root.at(SPLIT, SHARDS).text()
    if counted is None:
        if root.exists():
            refuse(root.at(SPLIT, SHARDS), "it is missing, and says how many tars there are")
        return None
    shards = _shards(root, counted)
    if task.kind == "winogavil":
        return EvalSet(task, root, shards, (), (), _instances(root))
    if task.kind == "retrieval":
        stated = (root.at(TYPE).text() or "").strip().lower()
        if stated != "retrieval":
            refuse(root.at(TYPE), f"it says `{stated or 'nothing'}`, and the task is of images and captions")
        return EvalSet(task, root, shards, (), (), ())
    classnames, templates = _lines(root.at(CLASSNAMES)), _lines(root.at(TEMPLATES))
    if task.classes is not None and len(classnames) != task.classes:
        refuse(root.at(CLASSNAMES), f"it names {len(classnames):,} classes, and the task has {task.classes:,}")
    bad = next((template for template in templates if "{c}" not in template), None)
    if bad is not None:
        refuse(root.at(TEMPLATES), f"`{bad}` has no place for the class, {{c}}")
    return EvalSet(task, root, shards, classnames, templates, ())


def digest(found: EvalSet, tell: Callable[[int], None] = lambda read: None) -> str:
    """Return the digest of a set, reading all of it; `tell` is told how many samples were read."""
    reader = Reader(found)
    for count, _ in enumerate(reader, 1):
        tell(count)
    return reader.digest


def split_name(member: str) -> tuple[str, str]:
    """Split the name of a member into key and extension, at the first dot of its last part, as webdataset does.

    >>> split_name("a.b/0001.jpg")
    ('a.b/0001', 'jpg')
    """
    folder, slash, name = member.rpartition("/")
    stem, _, extension = name.partition(".")
    return folder + slash + stem, extension.lower()


def damaged(sample: Sample, reason: str) -> NoReturn:
    """Raise the RunError that a sample cannot be used."""
    raise RunError(
        Diagnostic("E1205", f"sample `{sample.key}` of `{sample.tar}` cannot be used", None, reason, (_AGAIN,))
    )


_AGAIN = "download the set again, or make it again"


def _members(tar: Place) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of a tar, from its beginning to its end."""
    with tar.open() as file:

        def read(offset: int, length: int) -> bytes:
            if file.tell() != offset:
                file.seek(offset)
            content: bytes = file.read(length)
            return content

        try:
            size = file.seek(0, io.SEEK_END)
            for member in members(read, size):
                yield member.name, read(member.offset, member.size)
        except DamagedTarError as error:
            raise RunError(Diagnostic("E1204", f"`{tar.shown}` is damaged", None, str(error), (_AGAIN,))) from error
        except OSError as error:
            raise tar.unreadable(error) from error


def _shards(root: Place, counted: str) -> tuple[str, ...]:
    text = counted.strip()
    if not text.isdecimal() or len(text) > 9 or not 0 < int(text) <= _MAX_SHARDS:
        refuse(root.at(SPLIT, SHARDS), f"it holds `{text[:40]}`, which is no number of tars")
    shards = tuple(f"{number}.tar" for number in range(int(text)))
    there = {name for name in root.at(SPLIT).names() if name.endswith(".tar")}
    more = sorted(there - set(shards))
    if more:
        refuse(root.at(SPLIT, SHARDS), f"it says {text}, and `{more[0]}` is there beside them")
    lacking = [name for name in shards if (name not in there if there else not root.at(SPLIT, name).exists())]
    if lacking:
        refuse(root.at(SPLIT, lacking[0]), f"it is missing, and {SHARDS} says that there are {text}")
    return shards


def _lines(file: Place) -> tuple[str, ...]:
    text = file.text()
    if text is None:
        refuse(file, "it is missing")
    lines = tuple(line.strip() for line in text.rstrip().splitlines())
    if not lines or "" in lines:
        refuse(file, f"line {lines.index('') + 1} of it is empty" if lines else "it is empty")
    return lines


def _instances(root: Place) -> tuple[dict[str, Any], ...]:
    file = root.at(INSTANCES)
    text = file.text()
    if text is None:
        refuse(file, "it is missing")
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = parse_json(line)
            cue, candidates, associations = row["cue"], row["candidates"], row["associations"]
            right = isinstance(cue, str) and cue != "" and _are_texts(candidates) and _are_texts(associations)
        except (ValueError, KeyError, TypeError):
            right = False
        if not right or not set(associations) <= set(candidates):
            refuse(file, f"line {number} is no instance: a cue, candidates, and the associations among them")
        found.append({"cue": cue, "candidates": candidates, "associations": associations})
    if not found:
        refuse(file, "it is empty")
    return tuple(found)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def refuse(file: Place, reason: str) -> NoReturn:
    """Raise the RunError that a file of a set is not as the layout has it."""
    raise RunError(Diagnostic("E1203", f"`{file.shown}` is not as the layout has it", None, reason, (_AGAIN,)))
