"""The command line: `dcql`."""

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `dcql` with `arguments`, those of the process without any; always ends with SystemExit."""
    from dcql.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode gets escapes in place of an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # A process that is asked to end cleans up behind it, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app(args=arguments, prog_name="dcql")
    sys.exit(0)
