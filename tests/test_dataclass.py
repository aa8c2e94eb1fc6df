"""Data classes that are made when they are used are those of the standard library."""

import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from dcql.dataclass import dataclass


def _classes(made: Callable[..., Any]) -> dict[str, Any]:
    """Return the same classes, made by one decorator or the other."""

    @made(frozen=True)
    class Point:
        """A place."""

        x: int
        y: "float | None" = None

    @made(frozen=True)
    class Named(Point):
        """A place with a name, and with what is no part of it."""

        name: str = "here"
        seen: tuple[int, ...] = field(default=(), compare=False)
        notes: list[str] = field(default_factory=list, repr=False, compare=False)

    @made(frozen=True, eq=False)
    class Thing:
        """Equal to itself alone."""

        size: int

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError("below 0")

    @made(frozen=True)
    class Shown:
        """With a text and an order of its own."""

        one: int

        def __repr__(self) -> str:
            return f"<{self.one}>"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @made
    class Counting:
        """It changes."""

        count: int = 0
        seen: list[int] = field(default_factory=list)

    @made(eq=False)
    class Changing:
        """Equal to itself alone, though it changes."""

        count: int

    @made(frozen=True)
    class Empty:
        """Nothing."""

    return {each.__name__: each for each in (Point, Named, Thing, Shown, Counting, Changing, Empty)}


OURS, THEIRS = _classes(dataclass), _classes(dataclasses.dataclass)

LOOKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "repr": lambda c: [repr(c["Point"](1)).split(".")[-1], repr(c["Named"](1, 2.5, notes=["n"])).split(".")[-1]],
    "own repr": lambda c: repr(c["Shown"](3)),
    "nothing": lambda c: (repr(c["Empty"]()).split(".")[-1], c["Empty"]() == c["Empty"](), hash(c["Empty"]())),
    "equal": lambda c: [c["Point"](1) == c["Point"](1, None), c["Point"](1) == c["Point"](2), c["Point"](1) == 1],
    "not compared": lambda c: c["Named"](1, seen=(1,)) == c["Named"](1, seen=(2,)),
    "a subclass is another": lambda c: c["Point"](1) == c["Named"](1),
    "own equality": lambda c: (c["Shown"](1) == c["Shown"](2), hash(c["Shown"](1))),
    "no equality": lambda c: (c["Thing"](1) == c["Thing"](1), len({c["Thing"](1), c["Thing"](1)})),
    "hash": lambda c: [hash(c["Point"](1, 2.5)), hash(c["Named"](1, 2.5, "n", (3,)))],
    "match": lambda c: [c["Named"].__match_args__, _matched(c, c["Point"](1, 2.0))],
    "factory": lambda c: (c["Named"](1).notes, c["Named"](1).notes is c["Named"](1).notes),
    "default on the class": lambda c: (c["Named"].name, c["Named"].seen, hasattr(c["Named"], "notes")),
    "fields": lambda c: [(f.name, f.type, f.default, f.compare, f.repr) for f in dataclasses.fields(c["Named"])],
    "is one": lambda c: [dataclasses.is_dataclass(c["Point"]), dataclasses.is_dataclass(c["Point"](1))],
    "replace": lambda c: dataclasses.asdict(dataclasses.replace(c["Named"](1), x=5, name="there")),
    "replace what is not there": lambda c: _raised(lambda: dataclasses.replace(c["Point"](1), z=5)),
    "nested as dict": lambda c: dataclasses.asdict(c["Point"](c["Point"](1), [c["Empty"]()])),
    "copy": lambda c: [copy.copy(c["Named"](1)) == c["Named"](1), copy.deepcopy(c["Named"](1)) == c["Named"](1)],
    "set": lambda c: _raised(lambda: setattr(c["Point"](1), "x", 2)),
    "delete": lambda c: _raised(lambda: delattr(c["Point"](1), "x")),
    "missing": lambda c: _raised(lambda: c["Point"]()),
    "too many": lambda c: _raised(lambda: c["Point"](1, 2, 3)),
    "unknown": lambda c: _raised(lambda: c["Point"](1, z=3)),
    "checked": lambda c: _raised(lambda: c["Thing"](-1)),
    "counting": lambda c: _counted(c["Counting"]()),
    "no hash where it changes": lambda c: _raised(lambda: hash(c["Counting"]())),
    "a hash where it is itself": lambda c: len({c["Changing"](1), c["Changing"](1)}),
    "vars": lambda c: vars(c["Named"](1, name="n")),
}


def _matched(classes: dict[str, Any], value: Any) -> Any:
    point = classes["Point"]
    match value:
        case point(x, y):
            return x, y


def _counted(counting: Any) -> Any:
    counting.count += 1
    counting.seen.append(7)
    counting.more = 2
    return counting == type(counting)(1, [7]), repr(counting).split(".")[-1], vars(counting)


def _raised(call: Callable[[], Any]) -> tuple[type[Exception], str]:
    try:
        call()
    except Exception as error:
        return type(error), str(error).replace("_classes.<locals>.", "")
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("look", LOOKS)
def test_it_looks_as_the_standard_library_makes_it(look: str) -> None:
    first = LOOKS[look](_classes(dataclass))  # nothing else was asked of these classes
    assert first == LOOKS[look](OURS) == LOOKS[look](THEIRS)


@dataclass(frozen=True)
class Kept:
    """A value that is pickled."""

    one: int
    two: tuple[str, ...] = ()


def test_a_pickled_one_comes_back_in_a_process_that_made_none() -> None:
    kept = pickle.loads(pickle.dumps(Kept(1, ("a",))))
    assert kept == Kept(1, ("a",))
    with pytest.raises(FrozenInstanceError):
        kept.one = 2
    bare = object.__new__(_classes(dataclass)["Point"])
    with pytest.raises(FrozenInstanceError):
        bare.x = 2


def test_its_init_is_compiled_once_and_is_its_own() -> None:
    classes = _classes(dataclass)
    classes["Named"](1)
    classes["Point"](1)
    assert vars(classes["Point"])["__init__"] is not vars(classes["Named"])["__init__"]
    now = classes["Point"].__init__
    classes["Point"](2)
    assert classes["Point"].__init__ is now


def test_a_plain_subclass_may_leave_init_out() -> None:
    @dataclass(frozen=True)
    class Base:
        """A value."""

        one: int

    class Own(Base):
        def __init__(self) -> None:
            vars(self)["one"] = 7

    class Calling(Base):
        def __init__(self) -> None:
            super().__init__(8)

    assert [Own().one, Calling().one, Base(9).one] == [7, 8, 9]


def test_one_of_the_standard_library_may_follow() -> None:
    classes = _classes(dataclass)

    @dataclasses.dataclass(frozen=True)
    class Frozen(classes["Named"]):  # type: ignore[misc, name-defined]
        more: int = 3

    @dataclasses.dataclass
    class Open(classes["Counting"]):  # type: ignore[misc, name-defined]
        more: int = 3

    assert (Frozen(1).name, Frozen(1, more=4).more, Frozen(1) == Frozen(1, seen=(2,))) == ("here", 4, True)
    assert dataclasses.asdict(Open(2)) == {"count": 2, "seen": [], "more": 3}


def test_threads_may_make_the_first_one_at_once() -> None:
    for _ in range(50):
        point, made = _classes(dataclass)["Point"], []
        start = threading.Barrier(4)

        def make(point: Any = point, made: list[Any] = made, start: threading.Barrier = start) -> None:
            start.wait()
            made.append(point(1, 2.0))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [point(1, 2.0)] * 4
