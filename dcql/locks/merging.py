"""Three locks -> one, as git merges files: what `dcql ci merge-lock` writes.

A lock follows from its recipe, so two that differ are no conflict: the lock of the merged recipe is a third one, and
only a run can tell it. Where one side alone changed what decides the subset, its lock stays. Where both did, the lock
is marked: it holds no run until it is written anew.
"""

from dataclasses import replace

from dcql.locks.changes import changes
from dcql.locks.lock import Lock


def merged(base: Lock | None, ours: Lock, theirs: Lock) -> Lock:
    """Merge two locks with a common origin; None where both sides added the file.

    The result is one of the two, or ours with `merged` saying in which lines theirs differs.
    """
    told = (*ours.merged, *theirs.merged)
    if not told:
        # Locks of one key say the same of the subset, and what only describes it is for the next `dcql lock`.
        same = ours.key == theirs.key and ours.subset == theirs.subset
        if same or (base is not None and not base.merged and theirs.key == base.key):
            return ours
        if base is not None and not base.merged and ours.key == base.key:
            return theirs
    found = changes(ours, theirs)
    return replace(ours, merged=tuple(dict.fromkeys((*told, *(found.inputs or found.results)))))
