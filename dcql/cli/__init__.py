"""The command line: `dcql`."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["main", "script"]

# Importing makes objects that stay. At the usual 700, looking for garbage among them is a tenth of a short command.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
# How long a thread of numpy's matrix products looks out for the next one before it sleeps: 2^16 cycles, not 2^26. They
# begin as numpy is imported, and most commands multiply nothing: it was a tenth of a warm run.
_LOOK_OUT = ("OPENBLAS_THREAD_TIMEOUT", "16")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `dcql` with `arguments`, those of the process without any; always ends with SystemExit."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    os.environ.setdefault(*_LOOK_OUT)
    try:
        # A process that is asked to end cleans up behind it, as after Ctrl-C.
        signal.signal(signal.SIGTERM, _terminate)
        for stream in (sys.stdout, sys.stderr):
            # A terminal without Unicode gets escapes in place of an error.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        from dcql.cli.app import app

        app(args=arguments, prog_name="dcql")
    except KeyboardInterrupt:
        _interrupted(signal.SIGINT)
    except SystemExit as end:
        if end.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            _interrupted(end.code - 128)
        raise
    sys.exit(0)


def script() -> NoReturn:
    """Run `dcql` as a process, and end it at once.

    Python takes apart all that was imported when it ends, a tenth of a short command. By then a command has closed and
    removed what it opened, so there is nothing left but to flush.
    """
    try:
        main()
    except SystemExit as end:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            raise end from None  # whoever read the output is gone: Python knows what to do
        if end.code is None or isinstance(end.code, int):
            os._exit(end.code or 0)
        raise


def _interrupted(number: int) -> NoReturn:
    print("interrupted", file=sys.stderr)
    sys.exit(128 + number)


def _terminate(number: int, frame: Any) -> NoReturn:
    from dcql.cli import shell

    shell.stopped_by = signal.Signals(number)
    raise KeyboardInterrupt
