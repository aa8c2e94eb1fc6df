"""The files of a pool as a node of a cluster sees them: under the same paths, and with the bytes of the start."""

import socket

from dcql.catalog.files import read_footer_bytes
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, current_size

_SHARE = "put the pool where every node of the cluster sees it under one path, or name it by a URL"


def refuse_unlike(file: Listed, footer: str) -> None:
    """Raise RunError where this machine sees nothing at a file's path, or another file than at the start.

    `footer` is the digest of the footer that it had then.
    """
    node, size = socket.gethostname(), current_size(file)
    if size is None:
        raise RunError(
            Diagnostic(
                "E0791",
                f"the node `{node}` does not see `{file.name}`",
                None,
                f"nothing lies at {file.path} there",
                ("where it was removed meanwhile, put it back", f"else {_SHARE}"),
            )
        )
    if size != file.size:
        why = f"it had {file.size:,} bytes, and has {size:,}"
    elif read_footer_bytes([file])[0].digest != footer:
        why = "its footer is another one"
    else:
        return
    raise RunError(
        Diagnostic(
            "E0787",
            f"`{file.name}` is not the file that it was at the start",
            None,
            f"{file.path} on the node `{node}`: {why}",
            ("where something writes to the pool, run it again when that is over", f"else {_SHARE}"),
        )
    )
