"""Arrays of .npz files, read in place; what numpy.load says is the oracle."""

import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from dcql.engine import embeddings
from dcql.engine.embeddings import Embeddings, digest, keys, to_float32
from dcql.errors import RunError

ARRAYS: dict[str, Any] = {
    "b32_img": np.arange(15, dtype="f2").reshape(5, 3),
    "l14_img": np.arange(40, dtype="f2").reshape(5, 8) / 7,
    "dedup": np.arange(20, dtype="f4").reshape(5, 4),
    "wide": np.arange(10, dtype="f8").reshape(5, 2),
}


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    np.savez(tmp_path / "0a.npz", **ARRAYS)
    return tmp_path / "0a.npz"


def refused(path: Path | str, key: str = "l14_img", rows: int | None = None) -> str:
    """Return the code of the error that opening gives."""
    with pytest.raises(RunError) as caught:
        Embeddings.open(str(path), key, rows)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("key", ARRAYS)
def test_an_array_is_what_numpy_loads(npz: Path, key: str) -> None:
    found = Embeddings.open(str(npz), key, rows=5)
    assert (found.shape, found.dtype) == (ARRAYS[key].shape, ARRAYS[key].dtype)
    for part in (slice(None), slice(0, 2), slice(3, 5), slice(2, 2), slice(4, 99)):
        rows = found.rows(part.start or 0, part.stop)
        assert np.array_equal(rows, np.load(npz)[key][part])
        assert rows.dtype == ARRAYS[key].dtype
    assert keys(str(npz)) == tuple(ARRAYS)


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_rows_are_copied_into_memory(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_WORTH_THREADS", 2)
    array = np.random.default_rng(0).standard_normal((20_000, 400)).astype("f2")  # four stretches
    np.savez(tmp_path / "0a.npz", l14_img=array)
    found = Embeddings.open(str(tmp_path / "0a.npz"), "l14_img")
    for start, stop in ((0, 20_000), (3, 19_990), (5, 9), (7, 7)):
        out = np.full((20_000, 400), 99, dtype)
        copied = found.read(start, stop, out)
        assert copied.dtype == dtype
        assert np.array_equal(copied, array[start:stop])
        assert np.shares_memory(copied, out) == (stop > start)
        assert (out[stop - start :] == 99).all()
    copied = found.read()
    assert copied.dtype == np.float16
    assert copied.flags.writeable
    assert np.array_equal(copied, array)


def test_the_other_arrays_are_not_read(npz: Path) -> None:
    with npz.open("r+b") as file:
        start = Embeddings.open(str(npz), "b32_img").offset
        file.seek(start)
        file.write(b"\xff" * 30)
    assert np.array_equal(Embeddings.open(str(npz), "l14_img").rows(), ARRAYS["l14_img"])


def test_rows_cannot_be_written_to(npz: Path) -> None:
    rows = Embeddings.open(str(npz), "l14_img").rows()
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1


def test_a_url_is_read_by_stretches(npz: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/pool/0a.npz", npz.read_bytes())
    try:
        found = Embeddings.open("memory://pool/0a.npz", "l14_img", rows=5)
        assert np.array_equal(found.rows(1, 4), ARRAYS["l14_img"][1:4])
        assert not found.rows().flags.writeable
        assert digest("memory://pool/0a.npz") == digest(str(npz))
        assert keys("memory://pool/0a.npz") == tuple(ARRAYS)
        assert refused("memory://pool/0b.npz") == "E0660"
    finally:
        memory.rm("/pool", recursive=True)


def test_zip64_of_a_stream_is_read(tmp_path: Path) -> None:
    # As DataComp's files are: sizes in 64 bits, written without seeking back.
    class Stream:
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb")

        def write(self, content: bytes) -> int:
            return self.file.write(content)

        def flush(self) -> None:
            self.file.flush()

    stream = Stream(tmp_path / "0a.npz")
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for key, array in ARRAYS.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array)
    stream.file.close()
    for key, array in ARRAYS.items():
        assert np.array_equal(Embeddings.open(str(tmp_path / "0a.npz"), key).rows(), array)


def test_no_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "0a.npz", l14_img=np.empty((0, 8), "f2"))
    assert Embeddings.open(str(tmp_path / "0a.npz"), "l14_img", rows=0).rows().shape == (0, 8)


def test_the_digest_follows_the_content(npz: Path, tmp_path: Path) -> None:
    first = digest(str(npz))
    assert first.startswith("npz1:")
    np.savez(tmp_path / "same.npz", **ARRAYS)
    assert digest(str(tmp_path / "same.npz")) == first
    other = {**ARRAYS, "wide": ARRAYS["wide"] + 1}
    np.savez(tmp_path / "other.npz", **other)
    assert digest(str(tmp_path / "other.npz")) != first


def test_a_file_that_is_cut_off_is_refused(npz: Path, tmp_path: Path) -> None:
    content = npz.read_bytes()
    for length in {0, 1, 21, 22, 100, len(content) // 2, len(content) - 23, len(content) - 1}:
        (tmp_path / "cut.npz").write_bytes(content[:length])
        assert refused(tmp_path / "cut.npz") == "E0661"


def test_a_file_without_its_middle_is_refused(npz: Path, tmp_path: Path) -> None:
    content = npz.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[:300] + content[500:])
    assert refused(tmp_path / "cut.npz", "wide") == "E0661"


def test_damage_never_gives_other_errors(npz: Path, tmp_path: Path) -> None:
    content = npz.read_bytes()
    directory = content.index(b"PK\x01\x02")
    start = Embeddings.open(str(npz), "l14_img").offset
    for place in [*range(start - 200, start), *range(directory, len(content))]:
        for value in (0, 0xFF, content[place] ^ 1):
            changed = bytearray(content)
            changed[place] = value
            (tmp_path / "changed.npz").write_bytes(changed)
            # Nothing but a RunError; a change may also be one that does not matter, as of a date.
            with suppress(RunError):
                Embeddings.open(str(tmp_path / "changed.npz"), "l14_img").rows()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "E0661"),
        (b"\x93NUMPY", "E0661"),
        (header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, 8)}"), "E0661"),
        (header("{'descr': '<f2', 'fortran_order': False, 'shape': (0, -8)}"), "E0661"),
        (header("{'descr': '<f2', 'fortran_order': False, 'shape': (0, True)}"), "E0661"),
        (header("{'descr': '<f2', 'fortran_order': False}"), "E0661"),
        (header("{'descr': '<zz', 'fortran_order': False, 'shape': (0, 8)}"), "E0661"),
        (header("__import__('os').system('true')"), "E0661"),
        (header("{'descr': '<f2', 'fortran_order': False, 'shape': (0, 8)}") + b"more", "E0661"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (0, 8)}"), "E0663"),
        (header("{'descr': [('a', '<f2')], 'fortran_order': False, 'shape': (0, 8)}"), "E0663"),
    ],
)
def test_a_member_that_is_no_matrix_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    with zipfile.ZipFile(tmp_path / "0a.npz", "w") as archive:
        archive.writestr("l14_img.npy", content)
    assert refused(tmp_path / "0a.npz") == code


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.ones((5, 8), "f2")),
        np.ones(40, "f2"),
        np.ones((5, 2, 4), "f2"),
        np.ones((5, 8), "i4"),
        np.ones((5, 8), ">f4"),
        np.ones((5, 8), "c8"),
        np.ones((5, 8), "f2").astype(np.longdouble),
        np.array([["a"] * 8] * 5),
        np.array([[None] * 8] * 5),
    ],
    ids=str,
)
def test_other_arrays_are_refused(tmp_path: Path, array: Any) -> None:
    np.savez(tmp_path / "0a.npz", l14_img=array)
    assert refused(tmp_path / "0a.npz") == "E0663"


def test_compressed_arrays_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "0a.npz", **ARRAYS)
    assert refused(tmp_path / "0a.npz") == "E0663"


def test_other_things_are_refused(npz: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "none.npz") == "E0660"
    assert refused(tmp_path) == "E0660"
    assert refused(npz, rows=6) == "E0664"
    assert refused(npz, "l14_image") == "E0662"
    np.save(tmp_path / "array.npy", ARRAYS["wide"])
    assert refused(tmp_path / "array.npy") == "E0661"


def test_every_float16_becomes_the_float32_that_it_is() -> None:
    every = np.arange(65536, dtype="u2").view("f2").reshape(64, 1024)
    wanted = every.astype("f4")
    found = to_float32(every)
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(wanted))
    out = np.empty((64, 1024), "f4")
    assert to_float32(every, out) is out
    assert np.array_equal(to_float32(every[:, ::2]), wanted[:, ::2], equal_nan=True)
    assert to_float32(np.empty((0, 5), "f2")).shape == to_float32(np.empty((5, 0), "f2")).T.shape == (0, 5)


def test_float64_is_rounded_to_float32() -> None:
    assert to_float32(np.array([[0.1, 1e300, -1e-300]])).tolist() == [[np.float32(0.1), np.inf, -0.0]]
