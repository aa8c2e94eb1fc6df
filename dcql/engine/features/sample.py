"""What the feature store holds of one sample."""

import contextlib
from dataclasses import dataclass
from typing import Any

from dcql.catalog.features import stored_features
from dcql.catalog.pool import Pool
from dcql.engine.features.files import read_known, read_values
from dcql.engine.features.inputs import Inputs
from dcql.engine.locate import Place
from dcql.errors import RunError


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A feature's value for a sample, as a recipe reads it; None is NULL, and `failure` says why where a model failed.

    Of a vector, `value` is whether there is one.
    """

    name: str
    id: str
    model: str
    output: str
    value: Any
    failure: str | None


def stored_of(pool: Pool, place: Place) -> tuple[StoredValue, ...]:
    """Return every value that is stored for a sample, by name. Features that cannot be read are left out."""
    found: list[StoredValue] = []
    inputs = Inputs(pool)
    for stored in stored_features():
        # `dcql feature ls` tells of damaged ones; a pool may lack the embeddings or images that a feature reads.
        with contextlib.suppress(RunError, KeyError, IndexError, TypeError, AttributeError):
            described = stored.described()
            key = inputs.key_for(place.file, frozenset(_kinds(described)))
            newest = stored.newest(key)
            if newest is None or not read_known(newest, place.file.rows)[place.row]:
                continue
            values = read_values(newest, place.file.rows)
            value, failure = (column[place.row].as_py() for column in (values.value, values.failure))
            found.append(
                StoredValue(
                    str(described["name"]),
                    str(described["id"]),
                    str(described["model"]),
                    str(described["output"]),
                    _as_read(value, str(described["output"])),
                    failure,
                )
            )
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))


def _kinds(described: dict[str, Any]) -> set[str]:
    """Return the kinds of what a feature reads, itself or through others."""
    kinds = {str(one[1]) for one in described["inputs"]}
    return kinds.union(*(_kinds(inner) for inner in described.get("features", {}).values()))


def _as_read(value: Any, output: str) -> Any:
    """Return a stored value as recipes see it: steps on a grid as the number that they are."""
    if value is None or not output.startswith("FIXED("):
        return value
    return value * 2.0 ** -int(output.removeprefix("FIXED(").rstrip(")"))
