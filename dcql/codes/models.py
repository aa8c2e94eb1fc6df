"""E06xx: columns and sets that a model makes."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # What a recipe says of models: E0601 to E0604.
    Code(
        code="E0601",
        title="not a type of models",
        meaning=(
            "A MODEL takes TEXT, INT, FLOAT, DOUBLE, BOOL, EMBEDDING, IMAGE, COVERAGE, ASSET or WEIGHTS, and a FEATURE "
            "is TEXT, INT, BOOL, EMBEDDING or FIXED(bits). A feature is never FLOAT: the last digits of a model's "
            "numbers differ between devices and batches, so it lies on a grid, whole steps of 2^-bits. A MODEL of a "
            "recipe names its code."
        ),
        example="FEATURE score FLOAT USING similarity(l14_img, l14_txt);\nSELECT uid FROM pool WHERE score >= 0.3;",
        instead="FEATURE score FIXED(14) USING similarity(l14_img, l14_txt);\nSELECT uid FROM pool WHERE score >= 0.3;",
    ),
    Code(
        code="E0602",
        title="an argument that a model cannot take",
        meaning=(
            "A model reads columns of the pool as they are, embeddings and assets by their names, and constants. To "
            "compare or combine, do so with the feature. A feature reads something of each sample, and an ASSET is "
            "made by `nearest` or fitted by a model that returns one."
        ),
        example=(
            "FEATURE other TEXT USING fasttext_lid(coalesce(text, url));\nSELECT uid FROM pool WHERE other = 'en';"
        ),
        instead="FEATURE other TEXT USING fasttext_lid(text);\nSELECT uid FROM pool WHERE other = 'en';",
    ),
    Code(
        code="E0603",
        title="another type than the model's",
        meaning=(
            "A FEATURE has the type that its model RETURNS. Where the model gives a number, the feature says its grid."
        ),
        example="FEATURE other INT USING fasttext_lid(text);\nSELECT uid FROM pool WHERE other = 1;",
        instead="FEATURE other TEXT USING fasttext_lid(text);\nSELECT uid FROM pool WHERE other = 'en';",
    ),
    Code(
        code="E0604",
        title="a recipe that brings code",
        meaning=(
            "A MODEL .. FROM 'file.py' is Python that runs as you. dcql runs it only when it is told to: look at "
            "the file first. Its digest is in the recipe, so what you read is what runs."
        ),
        example="dcql run recipe.dcql                # with MODEL .. FROM 'model.py'",
        instead="dcql run recipe.dcql --own-code",
    ),
    # The store and the run: E0605 to E0614.
    Code(
        code="E0605",
        title="stored feature that cannot be used",
        meaning=(
            "A folder of the feature store was written by another version of dcql, or its files were changed or "
            "damaged. Features can always be computed again; nothing else depends on these files."
        ),
        example="a file of $DCQL_HOME/features that was cut off",
        instead="dcql feature gc",
    ),
    Code(
        code="E0606",
        title="a model's number that its feature cannot hold",
        meaning=(
            "FIXED(14) holds numbers from -2 up to 2 in steps of 2^-14, other grids 32 bits of steps. A number "
            "outside is an error when it is computed, and never cut to fit. An EMBEDDING holds vectors of one length "
            "in float16, up to 65504."
        ),
        example="FEATURE length FIXED(14) USING own_length(text)",
        instead="FEATURE length FIXED(0) USING own_length(text)",
    ),
    Code(
        code="E0607",
        title="a feature that is not stored",
        meaning=(
            "With --no-compute, and when thresholds of a lock are taken as given, a run reads features and computes "
            "none. Some of what the recipe asks for was never computed on this machine."
        ),
        example="dcql run datacomp_1b --no-compute",
        instead="dcql feature compute lang --pool small",
    ),
    Code(
        code="E0608",
        title="an asset that is missing or of another form",
        meaning=(
            "A pool binds its assets in assets.toml, in its root folder: [name] with file and sha256. A matrix is a "
            ".npy of floats in two dimensions, ids one of whole numbers in one dimension, or a text file with a "
            "value a line."
        ),
        example="ASSET centroids_l14 FROM pool;      -- and no assets.toml",
        instead='[centroids_l14]\nfile = "assets/centroids_l14.npy"\nsha256 = "ce5b19.."',
    ),
    Code(
        code="E0609",
        title="a file that is not the one that was named",
        meaning=(
            "Weights and assets are named by their SHA-256. The file has another: it was changed, cut off in a "
            "download, or is another version. What a feature means would change with it."
        ),
        example="$DCQL_HOME/weights/lid.176.bin, half downloaded",
        instead="the whole file",
    ),
    Code(
        code="E0610",
        title="a process of a model ended",
        meaning=(
            "Models that use one core run in processes of their own. One of them was killed or crashed, most often "
            "for want of memory. What the others computed is stored."
        ),
        example="the system kills a process for its memory",
        instead="dcql run recipe.dcql --threads 1",
    ),
    Code(
        code="E0611",
        title="a user's model that cannot be loaded",
        meaning="The file of a MODEL has no function `load`, or it failed. docs/models.md shows a whole file.",
        example="def score(text): ...",
        instead="def load(weights, assets, options):\n    return lambda captions: [len(text) for text in captions]",
    ),
    Code(
        code="E0612",
        title="a model that failed too often",
        meaning=(
            "A sample on which a model fails has NULL, with a reason in the store. Where that happens to more than "
            "1 % of the samples asked of, something is wrong with the pool or the model, and the run ends."
        ),
        example="a pool half of whose images are damaged",
        instead="dcql run recipe.dcql --max-failures 60",
    ),
    Code(
        code="E0613",
        title="weights that are not here",
        meaning=(
            "A model names the files of weights that it takes. None of them came with dcql or its extras, or lies "
            "in $DCQL_HOME/weights."
        ),
        example="MODEL .. WEIGHTS 'large.bin' SHA256 '..'",
        instead="cp large.bin ~/.dcql/weights/",
    ),
    Code(
        code="E0614",
        title="values that a model no longer gives",
        meaning=(
            "`dcql feature verify` computed some stored values again, and got others: by more than the TOLERANCE of "
            "the model, or any others where it has none. The stored values stay as they are."
        ),
        example="dcql feature verify lang --pool small      # after another fasttext was installed",
        instead="pip install -c constraints.txt dcql       # the versions that dcql is tested with",
    ),
    # Images: E0640 to E0649.
    Code(
        code="E0640",
        title="packages of an extra are missing",
        meaning=(
            "A model needs packages that dcql itself does not: torch, open_clip or onnxruntime, for instance. They "
            "are installed as an extra. The pinned versions of constraints.txt keep pip from taking a build with "
            "several GB of CUDA packages."
        ),
        example="pip install dcql     # and a recipe that needs clip_score",
        instead="pip install -c constraints.txt 'dcql[clip]'",
    ),
    Code(
        code="E0641",
        title="no images",
        meaning=(
            "A model reads the images of the samples, and there are none: a pool's images lie in PATH/shards/*.tar, "
            "or in PATH/*.tar where there is no such folder, as img2dataset writes them."
        ),
        example="a pool with metadata/ only",
        instead="a pool with metadata/ and shards/, as DataComp's download_upstream.py makes it",
    ),
    Code(
        code="E0642",
        title="images changed since they were indexed",
        meaning=(
            "Where each image lies in its tar was found before. The tar is shorter now, or something else stands at "
            "that place, so it was replaced while features were computed."
        ),
        example="img2dataset writes shards/00000000.tar anew during a run",
        instead="index the images again once the download is over",
    ),
    Code(
        code="E0643",
        title="weights cannot be loaded",
        meaning=(
            "A file with the weights of a model is missing, damaged, of another model, or of a form that dcql does "
            "not read. Weights are read from .safetensors, or from .pt and .bin files that hold tensors only: no "
            "code in a file of weights is ever run, so pickled models and TorchScript archives are refused."
        ),
        example="WEIGHTS 'ViT-B-32.pt', OpenAI's TorchScript archive",
        instead="WEIGHTS 'open_clip_model.safetensors', the same weights as tensors only",
    ),
    Code(
        code="E0644",
        title="option of a model that it does not have",
        meaning=(
            "A model is declared with options: which architecture, whose preprocessing, on which device. One of "
            "them has a value that the model does not know, or the architecture needs files from the network."
        ),
        example="model='ViT-B32'",
        instead="model='ViT-B-32'",
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
    # Words: E0650 to E0659.
    Code(
        code="E0650",
        title="asset that a model cannot use",
        meaning=(
            "A model is given an asset of another form than it reads. `any_synset` takes offsets of WordNet's synsets, "
            "one whole number a line; `word_list` takes a file of text, one entry a line."
        ),
        example="word_list(text, centroids_l14)     # a matrix of numbers",
        instead="word_list(text, bad_words)     # ASSET bad_words FROM 'bad_words.txt' SHA256 '..'",
    ),
)
