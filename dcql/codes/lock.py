"""E08xx: locks."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E0801",
        "lock would change",
        "With `--locked`, `--frozen` or `dcql verify` a run must agree with its lock, and something that "
        "decides the subset is not what the lock records: the recipe, an import, a set, a parameter, a "
        "definition of the library or a function that it reaches, or DuckDB's version where a function "
        "depends on it. `dcql lock --check` fails on whatever else `dcql lock` would write anew too, such as "
        "a count, and says so where that only describes the subset.",
        "an edited recipe, then `dcql run recipe.dcql --locked`",
        "`dcql lock recipe.dcql`, and a look at what changed in the lock before it is committed",
    ),
    Code(
        "E0802",
        "no readable lock",
        "The lock of the recipe is missing, is not a lock, holds an unfinished merge, was edited by hand, or "
        "is of another version of the format; or a folder that was to be verified holds no run.",
        "`dcql verify recipe.dcql` without a recipe.lock beside it",
        "`dcql lock recipe.dcql` first",
    ),
    Code(
        "E0803",
        "one key, two values",
        "The same recipe over the same pool gave another result than before, or than under another condition. "
        "One of the two is wrong, and no input explains it: a bug in dcql or in the engine, a damaged file, "
        "or failing hardware. The message names the first stage that differs. A lock is never written over in "
        "this case: delete it to do so.",
        "a run whose inputs have the digests in the lock, and whose subset has not",
        "`dcql verify recipe.dcql --perturb` to see which condition matters, and a report to dcql's issue tracker",
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
        "The lock was made over another pool: its fingerprint is not that of the pool that was given. A "
        "recipe selects another subset from another pool, so the two cannot agree.",
        "`dcql verify recipe.dcql --pool medium` with a lock made over `small`",
        "`dcql verify recipe.dcql --pool small`",
    ),
    Code(
        "E0806",
        "lock cannot be written",
        "The file of the lock cannot be made or replaced. A lock lies beside its recipe, and that of a recipe that "
        "ships with dcql in the working folder, unless another file is named.",
        "`dcql lock clip30 --pool small`, in a folder of another user",
        "`dcql lock clip30 --pool small -o locks/clip30.lock`",
    ),
)
