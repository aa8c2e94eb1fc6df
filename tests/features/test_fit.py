"""k-means: what it finds, and that it finds the same bits again."""

import hashlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dcql.engine.fit import kmeans
from dcql.errors import RunError

faiss = pytest.importorskip("faiss")


def blobs(rows: int = 3000, d: int = 24, k: int = 6) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return points around k places that are far apart, and which place each belongs to."""
    rng = np.random.default_rng(0)
    places = rng.standard_normal((k, d)) * 10
    label = rng.integers(0, k, rows)
    return (places[label] + rng.standard_normal((rows, d)) / 10).astype("f2"), label


def test_a_centroid_is_the_mean_of_the_points_nearest_to_it() -> None:
    points, _ = blobs()
    centroids = kmeans([points], 6, niter=200)
    assert (centroids.shape, centroids.dtype) == ((6, 24), np.float32)
    wide = points.astype("f8")
    nearest = ((wide[:, None] - centroids[None].astype("f8")) ** 2).sum(2).argmin(1)
    assert len(set(nearest.tolist())) == 6
    for cluster in range(6):
        assert np.allclose(wide[nearest == cluster].mean(0), centroids[cluster], atol=0.01)


def test_every_point_counts() -> None:
    # More than 256 points a centroid, of which faiss by itself would take a sample.
    points, _ = blobs(5000, 4, 3)
    assert np.allclose(kmeans([points], 1), points.astype("f8").mean(0), atol=1e-3)


def test_pieces_and_width_of_the_points_do_not_matter() -> None:
    points, _ = blobs()
    whole = kmeans([points], 6)
    pieces = [points[:5], points[5:5], points[5:2000].astype("f4"), points[2000:].astype("f8")]
    assert np.array_equal(kmeans(iter(pieces), 6), whole)


def test_seed_and_iterations_matter() -> None:
    points = np.random.default_rng(1).standard_normal((2000, 8)).astype("f4")
    first = kmeans([points], 20)
    assert np.array_equal(first, kmeans([points], 20, niter=20, seed=0))
    assert not np.array_equal(first, kmeans([points], 20, seed=1))
    assert not np.array_equal(first, kmeans([points], 20, niter=2))


AGAIN = """
import hashlib, sys
import numpy as np
from dcql.engine.fit import kmeans
points = np.random.default_rng(1).standard_normal((4000, 96)).astype("f4")
print(hashlib.sha256(kmeans([points], 50, niter=8).tobytes()).hexdigest())
"""


def test_another_process_with_other_threads_gives_the_same_bits() -> None:
    points = np.random.default_rng(1).standard_normal((4000, 96)).astype("f4")
    wanted = hashlib.sha256(kmeans([points], 50, niter=8).tobytes()).hexdigest()
    for threads in ("1", "2", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        found = subprocess.run([sys.executable, "-c", AGAIN], env=environment, capture_output=True, text=True)
        assert found.stdout.strip() == wanted, found.stderr


def test_the_number_of_threads_is_left_as_it_was() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    kmeans([blobs()[0]], 2)
    assert faiss.omp_get_max_threads() == 3
    faiss.omp_set_num_threads(before)


def test_as_many_centroids_as_points() -> None:
    points = np.eye(5, dtype="f4")
    assert sorted(kmeans([points], 5).tolist()) == sorted(points.tolist())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(bad: float) -> None:
    points, _ = blobs(50)
    points[7, 3] = bad
    with pytest.raises(RunError, match="point 57 holds NaN or infinity"):
        kmeans([blobs(50)[0], points], 2)


@pytest.mark.parametrize(("arrays", "k"), [([np.ones((4, 2), "f4")], 5), ([np.ones((4, 2), "f4")], 0), ([], 1)])
def test_too_few_points_are_refused(arrays: list[NDArray[Any]], k: int) -> None:
    with pytest.raises(RunError) as caught:
        kmeans(arrays, k)
    assert caught.value.diagnostics[0].code == "E0670"
