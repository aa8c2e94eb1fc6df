"""Models on embeddings against exact arithmetic: fractions, pair by pair."""

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dcql.engine.udfs import search, vectors
from dcql.engine.udfs.answers import Answers
from dcql.engine.udfs.products import prepare
from dcql.engine.udfs.search import OnTorch
from dcql.engine.udfs.vectors import ids_nearest, load_knn, load_nearest, load_similarity

Array = NDArray[Any]
GRID = 2**14
CPU = {"device": "cpu"}


def dot(x: Array, a: Array) -> Fraction:
    """Return an inner product exactly."""
    return sum((Fraction(p) * Fraction(q) for p, q in zip(x.tolist(), a.tolist(), strict=True)), Fraction(0))


def exact_nearest(x: Array, matrix: Array) -> tuple[list[int], list[Fraction]]:
    """Return the lowest of the best rows for each vector, and how far it is ahead of the next."""
    ids, margins = [], []
    for vector in x:
        products = [dot(vector, row) for row in matrix]
        ids.append(products.index(max(products)))
        best, second = sorted(products, reverse=True)[:2]
        margins.append(best - second)
    return ids, margins


def on_grid(value: Fraction) -> int:
    """Round to steps of 2^-14, half to even."""
    return round(value * GRID)


def nearest(x: Array, matrix: Array) -> Answers:
    return load_nearest(weights=None, assets={"centroids": matrix}, options=CPU)(x)


def knn(x: Array, matrix: Array, k: int) -> Answers:
    return load_knn(weights=None, assets={"matrix": matrix}, options={"k": k, **CPU})(x)


def similarity(*inputs: Array, **assets: Array) -> Answers:
    return load_similarity(weights=None, assets=assets, options=CPU)(*inputs)


def random(rows: int, d: int, dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, d)).astype(dtype)


def near_ties(dtype: str, d: int = 37) -> tuple[Array, Array]:
    """Return vectors, and rows that differ from one another by one unit in the last place of one value."""
    x = abs(random(20, d, "f4", 1)).astype(dtype)
    matrix = np.repeat(abs(random(1, d, "f4", 2)), 12, 0)
    for row, column in enumerate((5, 5, 9, 9, 1, 0, 30, 31, 32, 33, 35)):
        matrix[row + 1, column] = np.nextafter(matrix[row, column], np.float32(np.inf if row % 3 else -np.inf))
    return x, matrix


def lattice(seed: int, rows: int = 30, k: int = 40, d: int = 12) -> tuple[Array, Array]:
    """Return vectors and rows of -1, 0 and 1, so that most products are equal to others."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (rows, d)).astype("f2"), rng.integers(-1, 2, (k, d)).astype("f4")


def cancelling() -> tuple[Array, Array]:
    """Return products in which all that counts is lost in float32."""
    x = np.array([[1, 1, 1, 1]] * 3, "f4")
    return x, np.array([[1e8, 1.5, -1e8, 0], [1e8, 2, -1e8, 0], [2e8, -2e8, 1, 0.75], [1e30, -1e30, 1, 0.75]], "f4")


def uneven() -> Array:
    """Return rows of which some are far too small for float32 beside the others."""
    matrix = random(9, 16, "f4", 5)
    return matrix * np.float32(10.0) ** np.array([-38, -20, -45, 0, 3, 30, 37, -3, 37], "f4")[:, None]


CASES: dict[str, tuple[Array, Array]] = {
    "random": (random(30, 48, "f2"), random(50, 48, "f4", 1)),
    "one value": (random(30, 1, "f2"), random(50, 1, "f4", 1)),
    "float16 matrix": (random(30, 33, "f2"), random(50, 33, "f2", 1)),
    "float64 vectors": (random(30, 33, "f8"), random(50, 33, "f4", 1)),
    "float64 matrix": (random(30, 33, "f4"), random(50, 33, "f8", 1)),
    "lattice": lattice(0),
    "one row many times": (random(20, 8, "f2"), np.repeat(random(1, 8, "f4", 1), 20, 0)),
    "pairs of rows": (random(20, 8, "f2"), np.repeat(random(10, 8, "f4", 1), 2, 0)),
    "near ties of float16": near_ties("f2"),
    "near ties of float32": near_ties("f4"),
    "near ties of float64": near_ties("f8"),
    "near ties in the vectors' last bit": (1 + random(9, 5, "f8") * 1e-15, np.eye(5, dtype="f4")),
    "cancelling": cancelling(),
    "zeros among vectors": (random(20, 8, "f2") * (np.arange(20) % 2)[:, None].astype("f2"), random(9, 8, "f4", 1)),
    "zeros only": (np.zeros((3, 8), "f2"), random(9, 8, "f4", 1)),
    "a matrix of zeros": (random(9, 8, "f2"), np.zeros((5, 8), "f4")),
    "large": (random(20, 16, "f4") * np.float32(1e37), random(9, 16, "f4", 1) * np.float32(1e37)),
    "small": (random(20, 16, "f4") * np.float32(1e-40), random(9, 16, "f4", 1) * np.float32(1e-40)),
    "large float64": (random(20, 16, "f8") * 1e300, random(9, 16, "f8", 1) * 1e-5),
    "small float64": (random(20, 16, "f8") * 1e-160, random(9, 16, "f8", 1) * 1e-100),
    "small float16": ((np.arange(160) % 7).astype("f2").reshape(20, 8) * np.float16(6e-8), random(9, 8, "f4", 1)),
    "uneven rows": (random(20, 16, "f2"), uneven()),
    "two rows": (random(20, 16, "f2"), random(2, 16, "f4", 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_nearest_is_exact(case: str) -> None:
    x, matrix = CASES[case]
    answers = nearest(x, matrix)
    ids, margins = exact_nearest(x, matrix)
    assert answers.values.to_pylist() == ids
    assert not answers.failures
    assert answers.margin is not None
    assert answers.margin.dtype == np.float32
    # What the margin's own float64 sum can lose: the bound that holds in any order of terms.
    lost = [2.0**-43 * float(max(map(abs, v)) * np.abs(matrix.astype("f8")).max()) * x.shape[1] for v in x.tolist()]
    for found, wanted, slack in zip(answers.margin.tolist(), margins, lost, strict=True):
        assert found >= 0
        if float(wanted) < float(np.finfo("f4").max):
            assert abs(found - float(wanted)) <= float(wanted) * 2e-7 + slack + 2.0**-149
        else:
            assert np.isinf(found)


def test_float32_alone_gives_other_rows() -> None:
    # Otherwise the cases would not show that more than float32 is at work.
    x, matrix = CASES["near ties of float32"]
    plain = (x.astype("f4") @ matrix.astype("f4").T).argmax(1)
    assert plain.tolist() != exact_nearest(x, matrix)[0]


@pytest.mark.thinned(3)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_knn_is_exact_on_the_grid(case: str, k: int) -> None:
    x, matrix = CASES[case]
    if k > len(matrix) or case in {"large", "large float64", "uneven rows"}:
        pytest.skip("fewer rows, or products of which float64 is coarser than the grid")
    found = knn(x, matrix, k).values.to_pylist()
    for vector, value in zip(x, found, strict=True):
        wanted = sorted((dot(vector, row) for row in matrix), reverse=True)[k - 1]
        assert on_grid(Fraction(value)) == on_grid(wanted)
        assert value == pytest.approx(float(wanted), rel=1e-9, abs=1e-12)


def test_similarity_to_a_matrix_is_knn_with_k_1() -> None:
    x, matrix = CASES["random"]
    assert similarity(x, matrix=matrix).values.equals(knn(x, matrix, 1).values)


@pytest.mark.parametrize(("one", "other"), [("f2", "f2"), ("f2", "f4"), ("f4", "f8"), ("f8", "f8")])
def test_similarity_of_two_vectors_is_exact_on_the_grid(one: str, other: str) -> None:
    a, b = random(200, 65, one) / 8, random(200, 65, other, 1) / 8
    a, b = a.astype(one), b.astype(other)
    for value, x, y in zip(similarity(a, b).values.to_pylist(), a, b, strict=True):
        assert on_grid(Fraction(value)) == on_grid(dot(x, y))
        assert value == pytest.approx(float(dot(x, y)), abs=1e-13)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("steps", [0.5, 1.5, -0.5, -2.5])
@pytest.mark.parametrize("beside", [0, 2.0**-80, -(2.0**-80)])
def test_the_middle_between_two_steps_rounds_as_the_exact_value(dtype: str, steps: float, beside: float) -> None:
    # Beside 1, 2^-80 is nothing in float64; beside the middle it decides.
    x = np.array([[steps / GRID, 1, -1, beside]], dtype)
    matrix = np.array([[1, 1, 1, 1], [-9, -9, 9, 0]], dtype)
    wanted = on_grid(Fraction(steps) / GRID + Fraction(beside))
    assert [on_grid(Fraction(v)) for v in similarity(x, matrix=matrix).values.to_pylist()] == [wanted]
    assert [on_grid(Fraction(v)) for v in similarity(x, matrix[:1]).values.to_pylist()] == [wanted]


def test_a_product_of_zero_has_no_sign() -> None:
    x = np.array([[-0.0, -0.0], [1, -1]], "f4")
    values = similarity(x, np.ones((2, 2), "f4")).values.to_numpy()
    assert values.tolist() == [0, 0]
    assert not np.signbit(values).any()


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 9), st.sampled_from(["f2", "f4", "f8"]))
def test_lattices(seed: int, k: int, d: int, dtype: str) -> None:
    x, matrix = lattice(seed, 6, k, d)
    x = x.astype(dtype)
    ids, margins = exact_nearest(x, matrix)
    answers = nearest(x, matrix)
    assert answers.values.to_pylist() == ids
    assert answers.margin is not None
    assert answers.margin.tolist() == margins
    for rank in (1, 2):
        wanted = [float(sorted((dot(v, row) for row in matrix), reverse=True)[rank - 1]) for v in x]
        assert knn(x, matrix, rank).values.to_pylist() == wanted


def everything(x: Array, matrix: Array, batch: int) -> tuple[list[Any], bytes]:
    """Return what all models say of x, given to them in batches."""
    said: list[Any] = []
    margins = b""
    models = [
        load_nearest(weights=None, assets={"m": matrix}, options=CPU),
        load_knn(weights=None, assets={"m": matrix}, options={"k": 3, **CPU}),
    ]
    for model in models:
        for start in range(0, len(x), batch):
            answers = model(x[start : start + batch])
            said += answers.values.to_pylist()
            margins += b"" if answers.margin is None else answers.margin.tobytes()
    return said, margins


def mixed(rows: int = 1100) -> tuple[Array, Array]:
    """Return vectors and rows with near and exact ties among others."""
    x = random(rows, 96, "f2")
    matrix = random(300, 96, "f4", 1)
    matrix[100:150] = matrix[:50]
    matrix[150:200] = np.nextafter(matrix[:50], np.float32(9))
    return x, matrix


def test_batches_do_not_matter() -> None:
    x, matrix = mixed()
    # A batch of one takes as long as one of a thousand: small batches are of fewer rows.
    for batch, rows in ((1, 120), (7, 400), (1024, 1100)):
        assert everything(x[:rows], matrix, batch) == everything(x[:rows], matrix, rows)


def test_tiles_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, matrix = mixed()
    whole = everything(x, matrix, len(x))
    monkeypatch.setattr(search, "_TILE", 7)
    monkeypatch.setattr(search, "_AGAIN", 3)
    monkeypatch.setattr(vectors, "BATCH", 50)
    assert everything(x, matrix, len(x)) == whole


def test_many_neighbours() -> None:
    x, matrix = CASES["lattice"]
    for k in (20, 40):
        wanted = [float(sorted((dot(v, row) for row in matrix), reverse=True)[k - 1]) for v in x]
        assert knn(x, matrix, k).values.to_pylist() == wanted


THREADS = """
import hashlib
from test_vectors import everything, mixed
said, margins = everything(*mixed(), 1024)
print(hashlib.sha256(repr(said).encode() + margins).hexdigest())
"""


def test_threads_do_not_matter() -> None:
    x, matrix = mixed()
    said, margins = everything(x, matrix, 1024)
    wanted = hashlib.sha256(repr(said).encode() + margins).hexdigest()
    for threads in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        environment["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *sys.path])
        found = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True)
        assert found.stdout.strip() == wanted, found.stderr


@pytest.mark.parametrize("case", CASES)
def test_torch_gives_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision()
    x, matrix = CASES[case]
    wanted = everything(x, matrix, len(x)) if len(matrix) > 2 else None
    monkeypatch.setattr(search, "_TILE_CUDA", 7)
    monkeypatch.setattr(vectors, "OnCpu", lambda narrow: OnTorch(narrow, "cpu"))
    if wanted is not None:
        assert everything(x, matrix, len(x)) == wanted
    assert nearest(x, matrix).values.to_pylist() == exact_nearest(x, matrix)[0]
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_cuda_gives_the_same(case: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, matrix = CASES[case]
    model = load_nearest(weights=None, assets={"m": matrix}, options={"device": "cuda"})
    assert model(x).values.to_pylist() == exact_nearest(x, matrix)[0]
    large, rows = mixed()
    answers, wanted = (
        load_nearest(weights=None, assets={"m": rows}, options={"device": device})(large) for device in ("cuda", "cpu")
    )
    assert answers.values.equals(wanted.values)
    assert np.array_equal(answers.margin, wanted.margin)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_has_no_answer(dtype: str, bad: float) -> None:
    x, matrix = random(9, 8, dtype), random(5, 8, "f4", 1)
    good = nearest(x, matrix)
    x[4, 3] = bad
    answers = nearest(x, matrix)
    assert answers.values.to_pylist() == [None if i == 4 else v for i, v in enumerate(good.values.to_pylist())]
    assert answers.failures == {4: "the vector holds NaN or infinity"}
    assert answers.margin is not None
    assert np.flatnonzero(np.isnan(answers.margin)).tolist() == [4]
    for answers in (knn(x, matrix, 2), similarity(x, matrix=matrix), similarity(random(9, 8, "f2"), x)):
        assert answers.values[4].as_py() is None
        assert answers.values.null_count == 1
        assert list(answers.failures) == [4]
    assert np.isnan(x[4, 3]) or np.isinf(x[4, 3]), "the input is not written to"


def test_a_product_beyond_float64_has_no_answer() -> None:
    x = np.full((1, 4), 1e300)
    answers = similarity(x, x)
    assert answers.values.to_pylist() == [None]
    assert answers.failures == {0: "the inner product is beyond float64"}


def test_one_row_is_infinitely_far_ahead() -> None:
    answers = nearest(random(3, 4, "f2"), random(1, 4, "f4"))
    assert answers.values.to_pylist() == [0, 0, 0]
    assert answers.margin is not None
    assert np.isinf(answers.margin).all()


def test_no_samples() -> None:
    x, matrix = np.empty((0, 8), "f2"), random(5, 8, "f4")
    assert len(nearest(x, matrix).values) == len(knn(x, matrix, 2).values) == len(similarity(x, x).values) == 0
    assert str(nearest(x, matrix).values.type) == "int64"
    assert str(knn(x, matrix, 2).values.type) == "double"


def test_vectors_may_lie_anyhow_in_memory() -> None:
    x, matrix = random(40, 16, "f2"), random(9, 16, "f4", 1)
    wanted = nearest(x, matrix).values
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float16).reshape(x.shape)
    for same in (np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], unaligned):
        assert nearest(same, matrix).values.equals(wanted)
    assert nearest(x, np.asfortranarray(matrix)).values.equals(wanted)


def test_ids_nearest_are_those_that_occur() -> None:
    x, matrix = mixed()
    ids = ids_nearest(x, matrix, CPU)
    assert ids.dtype == np.int64
    assert ids.tolist() == sorted(set(nearest(x, matrix).values.to_pylist()))


def test_the_bound_of_lengths_holds() -> None:
    for x, matrix in CASES.values():
        for rows in (prepare(x), prepare(matrix, together=True)):
            exact = [float(max((dot(v, v) for v in rows.wide), default=0)) ** 0.5]
            assert rows.reach.max() >= exact[0] * (1 - 1e-15)
            longest = max(float(dot(v, v)) ** 0.5 for v in rows.narrow)
            assert rows.lengths.max() >= longest * (1 - 1e-15)
