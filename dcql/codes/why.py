"""E1431 to E1439: one sample of a pool, and why a recipe keeps it or drops it."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E1431",
        "no uid",
        "A sample is named by its uid, 32 digits from 0-9 and a-f in lower case, or by its first 6 digits or more. "
        "What was given is neither: it has other characters, upper-case digits, the dashes of a UUID, too few digits "
        "or too many.",
        "dcql why 0037B988-F827-83A6-6568-B65BC7A231DC clip30",
        "dcql why 0037b988f82783a66568b65bc7a231dc clip30",
    ),
    Code(
        "E1432",
        "no such sample in the pool",
        "No sample of the pool has the uid, or a uid that begins with the digits given. A uid that is shorter in the "
        "pool's files counts as padded with zeros on the left, as in subsets.",
        "dcql why ffffffffffffffffffffffffffffffff clip30",
        "a uid of the pool that the recipe runs over, named by --pool",
    ),
    Code(
        "E1433",
        "digits that several uids begin with",
        "More than one sample of the pool has a uid that begins with the digits given. Some of them are listed.",
        "dcql why 0037b9 clip30",
        "more digits, up to all 32",
    ),
    Code(
        "E1434",
        "a run folder with another verdict",
        "The subset in a run folder holds the sample and the recipe that it records does not keep it, or the other way "
        "round. The pool changed behind a raw path, or the folder's files were exchanged.",
        "dcql why 0037b988f827 runs/clip30, where subset.npy is that of another recipe",
        "`dcql verify` over the folder, to see where the two differ; then the recipe run anew",
    ),
)
