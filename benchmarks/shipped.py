"""What the benchmarks read of the packages that ship with dcql."""

from pathlib import Path

import dcql.demo
import dcql.stdlib
import pyarrow.parquet as pq

SETS = Path(str(dcql.stdlib.__file__)).parent / "sets"


def captions() -> list[str]:
    """Return the captions of the demo pool, in order."""
    texts: list[str] = pq.read_table(Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet")[
        "text"
    ].to_pylist()
    return texts
