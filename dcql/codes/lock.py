"""E08xx: locks."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E0801",
        "lock would change",
        "With `--locked` or `--frozen` a run must agree with its lock, and what was found differs from what the lock "
        "records: the recipe, a set, the library, or the subset itself.",
        "an edited recipe, then `dcql run recipe.dcql --locked`",
        "`dcql lock recipe.dcql`, and a look at what changed in the lock before it is committed",
    ),
    Code(
        "E0802",
        "no readable lock",
        "The lock beside the recipe is missing, is not a lock, or was written by a version of dcql with other rules.",
        "`dcql verify recipe.dcql` without a recipe.lock beside it",
        "`dcql lock recipe.dcql` first",
    ),
    Code(
        "E0803",
        "one key, two values",
        "The same recipe over the same pool gave another result than before. One of the two is wrong, and no input "
        "explains it: a bug in dcql or in the engine, a damaged file, or failing hardware. The message names the first "
        "stage that differs.",
        "a run whose inputs have the digests in the lock, and whose subset has not",
        "both locks in a report to dcql's issue tracker",
    ),
    Code(
        "E0804",
        "lock of a raw directory",
        "A lock pins the pool by its fingerprint, and only a pool that was added has one.",
        "`dcql lock recipe.dcql --pool ./metadata`",
        "`dcql pool add small ./metadata`, then `dcql lock recipe.dcql --pool small`",
    ),
    Code(
        "E0805",
        "lock of another pool",
        "The lock was made over another pool: its fingerprint is not that of the pool that was given. A recipe selects "
        "another subset from another pool, so the two cannot agree.",
        "`dcql verify recipe.dcql --pool medium` with a lock made over `small`",
        "`dcql verify recipe.dcql --pool small`",
    ),
    Code(
        "E0806",
        "lock cannot be written",
        "The file of the lock cannot be made or replaced. A lock lies beside its recipe unless another file is named; the "
        "folder of a recipe that ships with dcql is often not writable.",
        "`dcql lock clip30 --pool small`, with dcql installed by another user",
        "`dcql lock clip30 --pool small -o clip30.lock`",
    ),
)
