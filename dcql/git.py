"""The program `git`: never through a shell, and never with a terminal to ask at."""

import contextlib
import subprocess


def git(*words: str, folder: str = ".") -> "subprocess.CompletedProcess[bytes] | None":
    """Run git in a folder and return what came of it; None where the program is not there."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        return subprocess.run(["git", "-C", folder, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return None
