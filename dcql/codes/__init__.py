"""Every error code, one file a phase, one row a code.

| codes | phase |
|---|---|
| E01xx | syntax |
| E02xx | names |
| E03xx | types |
| E04xx | determinism |
| E05xx | lowering, limits on size |
| E06xx | models |
| E07xx | pool and run |
| E08xx | lock |
| E09xx | a bug in dcql |
"""

from dcql.codes import determinism, internal, limits, lock, models, names, run, syntax, types
from dcql.codes.code import Code

CODES: dict[str, Code] = {
    row.code: row
    for table in (syntax, names, types, determinism, limits, models, run, lock, internal)
    for row in table.CODES
}

__all__ = ["CODES", "Code"]
