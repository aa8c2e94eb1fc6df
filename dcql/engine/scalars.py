"""Columns of single values as numpy holds them, NaN as NULL and -0.0 as 0 (SEMANTICS §1)."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.catalog.parquet import type_of
from dcql.catalog.types import Type
from dcql.engine.buckets import normalise
from dcql.errors import Diagnostic, RunError

DTYPES = {
    Type.INT: np.dtype(np.int64),
    Type.FLOAT: np.dtype(np.float32),
    Type.DOUBLE: np.dtype(np.float64),
    Type.BOOL: np.dtype(np.bool_),
}
_ARROW = {Type.INT: pa.int64(), Type.FLOAT: pa.float32(), Type.DOUBLE: pa.float64(), Type.BOOL: pa.bool_()}


def arrow_type(contract: Type) -> Any:
    """Return the arrow type that a sidecar holds a column of this type as."""
    return _ARROW[contract]


def read_scalars(array: Any, *, column: str, file: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return (values, nulls), (n,) each, of a pyarrow array of type INT, FLOAT, DOUBLE or BOOL; a NULL's value is 0.

    Raises RunError for an unsigned number above 2^63-1.
    """
    array = decoded(array)
    contract = type_of(array.type)
    try:
        array = array.cast(_ARROW[contract])
    except pa.ArrowInvalid as error:
        raise RunError(
            Diagnostic(
                "E0715",
                f"a value of `{column}` is too large for INT",
                None,
                f"`{file}` has it as {array.type}, with a value above 9223372036854775807",
                ("store such a column as text",),
            )
        ) from error
    nulls = np.zeros(len(array), np.bool_)
    if array.null_count:
        import pyarrow.compute as pc

        nulls = pc.is_null(array).to_numpy(zero_copy_only=False).copy()
        array = pc.fill_null(array, pa.scalar(0).cast(array.type))
    values = array.to_numpy(zero_copy_only=False)
    return normalise(values, nulls) if contract in (Type.FLOAT, Type.DOUBLE) else (values, nulls)


def decoded(array: Any) -> Any:
    """Return the array with its values in full, where it holds them by dictionary, by runs or as an extension type."""
    if isinstance(array, pa.ExtensionArray):
        return decoded(array.storage)
    if pa.types.is_dictionary(array.type):
        return decoded(array.dictionary_decode())
    if pa.types.is_run_end_encoded(array.type):
        import pyarrow.compute as pc  # slow to import, and hardly ever needed

        return decoded(pc.run_end_decode(array))
    return array
