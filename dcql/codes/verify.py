"""E145x: verification."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E1451",
        "submission cannot be computed again here",
        "`dcql verify --submission` computes the subset of a submission from the pool's metadata and from stored "
        "features; it calls no model. The pool is not at hand, it lacks values of a feature, or the recipe cannot be "
        "read, so that nothing can be signed off.",
        "`dcql verify --submission entries/mine` before `dcql pool add small ./metadata`",
        "`dcql pool add small ./metadata`; `dcql feature compute lang --pool small` for a feature that is not stored, "
        "or `dcql submit check entries/mine`, which computes what is missing",
    ),
    Code(
        "E1452",
        "process of a condition ended",
        "`dcql verify --perturb` runs the recipe in processes of their own too, with another seed for Python's hashes. "
        "One of them ended before it answered: something killed it, most often the system for want of memory.",
        "`dcql verify recipe.dcql --perturb` on a machine with little memory",
        "`dcql verify recipe.dcql --perturb` where nothing else takes the memory",
    ),
    Code(
        "E1453",
        "pool cannot be written in other files",
        "`dcql verify --perturb` writes the pool to temporary files of another layout, and runs over these. The disk "
        "is full, a file of the pool cannot be read, or its files have columns of types that cannot be put together.",
        "`dcql verify recipe.dcql --perturb` with a full /tmp",
        "`TMPDIR=/data/tmp dcql verify recipe.dcql --perturb`",
    ),
)
