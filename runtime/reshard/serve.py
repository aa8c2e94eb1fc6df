"""A process that does steps of a reshard: `python -m dcql.runtime.reshard.serve FOLDER`.

It reads a step and a number a line, does the step in the folder of the work, and answers with a line of JSON: the
diagnostics of what failed, none where nothing did.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from dcql.runtime.reshard.work import Work

from dcql.errors import DcqlError


def _serve(folder: Path) -> None:
    # A Ctrl-C reaches all processes of a terminal; the one that was started ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = Work(folder)
    for line in sys.stdin:
        step, _, number = line.partition(" ")
        told: list[Any] = []
        try:
            {"scan": work.scan, "write": work.write}[step](int(number))
        except DcqlError as error:
            told = [[row.code, row.message, row.label, row.helps] for row in error.diagnostics]
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
