"""Files out of a folder that a stranger made: plain ones inside it, and nothing else."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_plain(path: Path, root: Path) -> BufferedReader:
    """Open a file below `root` for reading; both are real paths, without links.

    Each folder on the way is opened by the one before it, and no link is followed: what took the place of a part of the
    path since it was looked at is an error. Nothing waits, as for the writer of a pipe. Raises OSError for what cannot
    be opened, and for what is no plain file.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *folders, name = path.relative_to(root).parts
        for one in folders:
            inner = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return file
