"""Data classes that take no time until they are used.

`dataclasses.dataclass` writes and compiles up to six methods for each class, which takes half a millisecond; a short
command imports seventy classes and makes instances of half of them. Here all classes share their methods but
`__init__`, which is compiled when the first instance is made. Otherwise a class is as `dataclasses.dataclass` makes it,
for `dataclasses.fields`, `replace` and `asdict` too. Of what `dataclasses.field` takes, defaults, `compare` and `repr`
are heeded; ClassVar, InitVar and fields by keyword alone are not known, and there are no slots.
"""

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError
from functools import partial
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, eq: bool = True) -> Any:
        """Make a data class of a class, or without one return what makes it, as `dataclasses.dataclass` does."""
        make = partial(_made, frozen=frozen, eq=eq)
        return make if cls is None else make(cls)


__all__ = ["dataclass"]

_NOT_GIVEN = object()


class _Fields:
    """`__dataclass_fields__`, by which the functions of `dataclasses` go: made when one asks."""

    def __get__(self, instance: Any, owner: Any) -> dict[str, Field[Any]]:
        types = {name: one for base in reversed(owner.__mro__) for name, one in get_annotations(base).items()}
        given = [
            (name, types[name], one if isinstance(one, Field) else dataclasses.field(default=one))
            for name, one in owner._given.items()
        ]
        made: Any = dataclasses.make_dataclass(owner.__name__, given, frozen=owner.__setattr__ is _setattr)
        fields: dict[str, Field[Any]] = made.__dataclass_fields__
        owner.__dataclass_fields__, owner.__dataclass_params__ = fields, made.__dataclass_params__
        return fields


def _made(cls: Any, frozen: bool, eq: bool) -> Any:
    given = {name: one for base in reversed(cls.__mro__[1:]) for name, one in vars(base).get("_given", {}).items()}
    for name in get_annotations(cls):
        one = given[name] = vars(cls).get(name, MISSING)
        if isinstance(one, Field):
            if one.default is MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, one.default)
    told = {
        "_given": given,  # of each field what its class says of it: a default, a Field, or MISSING
        "_compares": tuple(name for name, one in given.items() if not isinstance(one, Field) or one.compare),
        "__match_args__": tuple(given),
        "__dataclass_fields__": _Fields(),
    }
    if eq and vars(cls).get("__hash__") is None:
        cls.__hash__ = _hash if frozen else None
    for name, value in (told | _ALWAYS | (_FROZEN if frozen else {}) | (_EQUAL if eq else {})).items():
        if name not in vars(cls):
            setattr(cls, name, value)
    return cls


def _first_init(self: Any, *values: Any, **named: Any) -> None:
    """Compile the `__init__` of the class whose first instance this is, and call it."""
    cls: Any = next(each for each in type(self).__mro__ if vars(each).get("__init__") is _first_init)
    scope: dict[str, Any] = {"_set": object.__setattr__, "_not_given": _NOT_GIVEN}
    parameters, lines = ["self"], []
    for name, one in cls._given.items():
        default, made = (one.default, one.default_factory) if isinstance(one, Field) else (one, MISSING)
        value = name
        if made is not MISSING:
            scope[f"_make_{name}"] = made
            parameters.append(f"{name}=_not_given")
            value = f"_make_{name}() if {name} is _not_given else {name}"
        elif default is not MISSING:
            scope[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n    " + "\n    ".join(lines or ["pass"]), scope)
    init = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = init  # several threads may come here at once: each has made the same
    init(self, *values, **named)


def _repr(self: Any) -> str:
    shown = [name for name, one in self._given.items() if not isinstance(one, Field) or one.repr]
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self._compares])


def _setattr(self: Any, name: str, value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_ALWAYS: dict[str, Any] = {"__init__": _first_init, "__repr__": _repr}
_FROZEN: dict[str, Any] = {"__setattr__": _setattr, "__delattr__": _delattr}
_EQUAL: dict[str, Any] = {"__eq__": _eq}
