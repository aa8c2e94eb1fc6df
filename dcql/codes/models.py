"""E06xx: columns and sets that a model makes."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0601",
        title="needs a model",
        meaning=(
            "`lang`, `image_cluster` and `imagenet_centroids` are made by models. A recipe that names them can be "
            "checked, but this version of dcql cannot compute them, so it cannot be run."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en' AND clip_l14 >= q(0.7);",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        code="E0660",
        title="no embeddings beside the samples",
        meaning=("The embeddings of a file of a pool lie in STEM.npz beside STEM.parquet. Nothing lies there."),
        example="the pool has metadata/0a.parquet, but no metadata/0a.npz",
        instead="put 0a.npz beside 0a.parquet, as DataComp's download does with --download_npz",
    ),
    Code(
        code="E0661",
        title="not a whole .npz file",
        meaning=(
            "A file of embeddings cannot be read as numpy.savez writes it: it is cut off, damaged, or something "
            "else under that name."
        ),
        example="metadata/0a.npz was cut off while it was copied",
        instead="copy or download that file again",
    ),
    Code(
        code="E0662",
        title="no such array",
        meaning=("An .npz file holds arrays by name. It has none of the name that was asked for."),
        example="`l14_image` of a file that holds `b32_img`, `b32_txt`, `l14_img`, `l14_txt`, `dedup`",
        instead="`l14_img`",
    ),
    Code(
        code="E0663",
        title="array that cannot be read as embeddings",
        meaning=(
            "Embeddings are read in place, where they lie in the file: a matrix of float16, float32 or float64 "
            "with a row for each sample, stored row by row and not compressed. The array is something else."
        ),
        example="numpy.savez_compressed('0a.npz', l14_img=embeddings)",
        instead="numpy.savez('0a.npz', l14_img=embeddings)",
    ),
    Code(
        code="E0664",
        title="embeddings of other samples",
        meaning=(
            "Embeddings have no uid: the n-th row belongs to the n-th sample of the .parquet file beside them, so "
            "that both have as many. They do not, and any match would be wrong."
        ),
        example="0a.parquet has 507,404 samples, `l14_img` of 0a.npz has 505,539 rows",
        instead="put the .npz beside the .parquet file that it was made from",
    ),
    Code(
        code="E0665",
        title="not a matrix of embeddings",
        meaning=(
            "A model that compares vectors takes matrices of finite float16, float32 or float64, a row for each "
            "vector, and the number of assets that it declares. What it was given is something else."
        ),
        example="numpy.save('centroids.npy', labels)     # whole numbers",
        instead="numpy.save('centroids.npy', centroids)     # 100,000 x 768 of float32",
    ),
    Code(
        code="E0666",
        title="vectors of different widths",
        meaning=(
            "An inner product is of two vectors with as many values. They come from different models, so that the "
            "product would mean nothing even if it could be taken."
        ),
        example="nearest(b32_img, centroids_l14)     # 512 values and 768",
        instead="nearest(l14_img, centroids_l14)",
    ),
    Code(
        code="E0667",
        title="no such rank",
        meaning=(
            "knn gives the k-th largest inner product with the rows of a matrix, so k is a whole number from 1 to "
            "their number."
        ),
        example="k = 0",
        instead="k = 1     # the largest",
    ),
    Code(
        code="E0668",
        title="no such device",
        meaning=(
            "Models run on the CPU or on a CUDA device, for which torch has to be installed. The device is none "
            "of these, or is not there."
        ),
        example="device = 'cuda'     # on a machine without one",
        instead="device = 'auto'     # CUDA where there is one, else the CPU",
    ),
    Code(
        code="E0669",
        title="no such option",
        meaning=("Each model has options of its own. It has none of this name."),
        example="nearest with k = 2",
        instead="nearest without options, or knn with k = 2",
    ),
    Code(
        code="E0670",
        title="more centroids than points",
        meaning=(
            "k-means starts from points of the data, one for each centroid. There are too few points, or no "
            "centroid was asked for."
        ),
        example="100,000 centroids of 14,000 samples",
        instead="100 centroids of 14,000 samples",
    ),
    Code(
        code="E0671",
        title="point that cannot be clustered",
        meaning=(
            "k-means takes finite vectors of one width. A point holds NaN or infinity, or has more or fewer "
            "values than the one before."
        ),
        example="centroids of embeddings of which one is NaN",
        instead="leave out the samples whose embedding is NaN",
    ),
    Code(
        code="E0672",
        title="faiss is not installed",
        meaning=("Centroids are fitted by faiss, which is not part of a plain installation."),
        example="pip install dcql",
        instead="pip install 'dcql[fit]'",
    ),
)
