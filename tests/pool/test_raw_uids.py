"""A raw pool is not checked whole; what a run keeps of it is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dcql
from dcql.errors import RunError
from dcql.source import Source

UIDS = [f"{n:032x}" for n in range(4)]


def write(folder: Path, uids: list[str | None]) -> Path:
    columns = {"uid": pa.array(uids, pa.string()), "score": pa.array([0.1, 0.2, 0.3, 0.4], pa.float32())}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder


def kept(folder: Path, least: float) -> int:
    source = Source("raw", f"SELECT uid FROM pool WHERE score >= {least}")
    return dcql.run(source, str(folder)).subset.distinct


@pytest.mark.parametrize(
    ("wrong", "code"), [(None, "E0720"), ("", "E0720"), ("ABC", "E0720"), ("g" * 32, "E0720"), (UIDS[3], "E0754")]
)
def test_a_wrong_uid_that_is_kept_is_refused(wrong: str | None, code: str, tmp_path: Path):
    folder = write(tmp_path, [UIDS[0], UIDS[1], wrong, UIDS[3]])
    with pytest.raises(RunError) as caught:
        kept(folder, 0.25)
    assert caught.value.diagnostics[0].code == code
    assert kept(folder, 0.35) == 1  # a raw run looks at the uids that it keeps


def test_a_short_uid_is_padded(tmp_path: Path):
    folder = write(tmp_path, ["f", UIDS[1], "2", UIDS[3]])
    assert kept(folder, 0.05) == 4
