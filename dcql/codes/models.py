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
    # Images: E0640 to E0649.
    Code(
        code="E0640",
        title="packages of an extra are missing",
        meaning=(
            "A model needs packages that dcql itself does not: torch, open_clip or onnxruntime, for instance. They are "
            "installed as an extra. The pinned versions of constraints.txt keep pip from taking a build with several "
            "GB of CUDA packages."
        ),
        example="pip install dcql     # and a recipe that needs clip_score",
        instead="pip install -c constraints.txt 'dcql[clip]'",
    ),
    Code(
        code="E0641",
        title="no images",
        meaning=(
            "A model reads the images of the samples, and there are none: a pool's images lie in PATH/shards/*.tar, or "
            "in PATH/*.tar where there is no such folder, as img2dataset writes them."
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
            "A file with the weights of a model is missing, damaged, of another model, or of a form that dcql does not "
            "read. Weights are read from .safetensors, or from .pt and .bin files that hold tensors only: no code "
            "in a file of weights is ever run, so pickled models and TorchScript archives are refused."
        ),
        example="WEIGHTS 'ViT-B-32.pt', OpenAI's TorchScript archive",
        instead="WEIGHTS 'open_clip_model.safetensors', the same weights as tensors only",
    ),
    Code(
        code="E0644",
        title="option of a model that it does not have",
        meaning=(
            "A model is declared with options: which architecture, whose preprocessing, on which device. One of them "
            "has a value that the model does not know, or the architecture needs files from the network."
        ),
        example="model='ViT-B32'",
        instead="model='ViT-B-32'",
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
