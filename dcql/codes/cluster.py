"""E078x: work that is spread over a cluster."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0781",
        title="no cluster at that address",
        meaning="`--address` names a Ray cluster that runs already, and nothing answers there.",
        example="dcql run recipe.dcql --pool small --engine ray --address 10.0.0.1:6379",
        instead="ray start --head --port 6379, on 10.0.0.1; or without --address, on the cores of this machine",
    ),
    Code(
        code="E0782",
        title="another version on the cluster",
        meaning=(
            "All nodes, and the process that starts the run, have the same version of Ray, of Python and of dcql. Two "
            "versions of Ray cannot speak with each other, and two of dcql might mean different things."
        ),
        example="dcql run recipe.dcql --pool small --engine ray --address auto     # the nodes have Ray 2.9",
        instead="pip install 'dcql[ray]==0.1.0' 'ray==2.60.0', on every node",
    ),
    Code(
        code="E0783",
        title="the disk of a node is full",
        meaning=(
            "A worker had no room for what it writes to its own disk: what DuckDB spills, columns of joined tables. "
            "Files that were done are kept in $DCQL_HOME/tasks, and a second run goes on from there."
        ),
        example="dcql run recipe.dcql --pool small --engine ray --address auto     # /tmp of a node has no room",
        instead="free some space on that node, or set TMPDIR there, and run it again",
    ),
    Code(
        code="E0784",
        title="a file could not be done on the cluster",
        meaning=(
            "The work on one file of the pool failed for a reason that is of the node and not of the file: its process "
            "was killed time and again, the node was lost each time, it does not see the store. A process or a node "
            "that is lost once costs nothing but time, for the file is done elsewhere."
        ),
        example="a node without memory enough, or without $DCQL_HOME at the same path as here",
        instead="see to the node, and run it again: finished files are not done twice",
    ),
    Code(
        code="E0785",
        title="no node is large enough",
        meaning="The work on one file asks for more cores, GPUs or memory than any node of the cluster has.",
        example="dcql feature compute clip_l14 --pool small --engine ray     # on a cluster without a GPU",
        instead="start a node that has what is asked for, or ask for less",
    ),
    Code(
        code="E0786",
        title="a worker failed",
        meaning=(
            "A worker could not even begin, or failed where dcql should not: most often a package is missing on a "
            "node, or has another version there."
        ),
        example="a node on which dcql is not installed",
        instead="pip install 'dcql[ray]', on every node",
    ),
    Code(
        code="E0787",
        title="other file of the pool than at the start",
        meaning=(
            "Where a file of the pool is read, its size and footer are held against those of the start of the command, "
            "and they are others: the file was written anew meanwhile, or a node has an older copy under the same path "
            "on a disk of its own. Nothing was written; what was done of other files is kept."
        ),
        example="dcql run recipe.dcql --pool small --engine ray      # while a download goes on into the pool's folder",
        instead="the same when nothing writes to the pool any more (an added pool: dcql pool add it again first)",
    ),
)
