"""Runs `dcql` under watch: a process that forks one for each command, and tells what it did.

A line of JSON on standard input is a command: {"cwd": folder, "arguments": [..]}. The answer is another line: exit
code, what was printed, seconds, the largest memory in MB, and the events of Python's audit hook: every file that is
opened, made, renamed or removed, every socket, every process.

What one command may take is bounded by the system too, so that a hole in dcql costs a failed test and no disk.
"""

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

SECONDS = 90
# Imported once, so that no command waits for them; none of them starts a thread.
IMPORTED = (
    "numpy", "pyarrow.parquet", "pyarrow.compute", "duckdb", "sqlglot", "sqlglot.dialects.duckdb", "rich.console",
    "rich.text", "dcql.cli.app", "dcql.cli.computing", "dcql.cli.progress", "dcql.cli.run", "dcql.codes",
    "dcql.compiler", "dcql.inspect.alone", "dcql.inspect.funnel", "dcql.lower.alone", "dcql.lower.lower",
    "dcql.lower.stored", "dcql.plan.passes", "dcql.plan.resolve", "dcql.engine.run", "dcql.engine.features.asking",
    "dcql.records.recorded",
)  # fmt: skip
LARGEST_FILE = 64 << 20
_WATCHED = (
    "open", "os.listxattr", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect",
    "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request", "pickle.find_class", "exec_code",
)  # fmt: skip


def watch(descriptor: int) -> None:
    """Write each event of this process from now on to a file: a line of its name, paths and flags."""
    busy = False

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or event not in _WATCHED:
            return
        busy = True
        try:
            told = [repr(one) if not isinstance(one, str | int | None) else one for one in map(_text, given)]
            os.write(descriptor, json.dumps([event, *told]).encode() + b"\n")
        finally:
            busy = False

    sys.addaudithook(hook)


def _text(value: Any) -> Any:
    return os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else value


def child(command: dict[str, Any], place: Path) -> None:
    """Run one command in this process, and end it."""
    os.chdir(command["cwd"])
    for number, name, flags in ((0, "/dev/null", os.O_RDONLY), (1, place / "out", 0o1101), (2, place / "err", 0o1101)):
        os.dup2(os.open(name, flags, 0o600), number)
    events = os.open(place / "events", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2))
    code = 99
    watch(events)
    try:
        from dcql.cli import main

        main(command["arguments"])
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(place: Path) -> None:
    """Answer commands until the input ends; `place` is a folder for what they print."""
    for module in IMPORTED:
        importlib.import_module(module)
    importlib.import_module("dcql.catalog.library").library()
    gc.freeze()
    for line in sys.stdin:
        started = time.monotonic()
        number = os.fork()
        if number == 0:
            child(json.loads(line), place)
        killed = False
        while True:
            done, status, used = os.wait4(number, os.WNOHANG)
            if done:
                break
            if time.monotonic() - started > SECONDS and not killed:
                os.kill(number, signal.SIGKILL)
                killed = True
            time.sleep(0.01)
        events = (place / "events").read_text(encoding="utf-8").splitlines()
        told = {
            "code": os.waitstatus_to_exitcode(status),
            "out": (place / "out").read_text(encoding="utf-8"),
            "err": (place / "err").read_text(encoding="utf-8"),
            "seconds": time.monotonic() - started,
            "megabytes": used.ru_maxrss >> 10,
            "events": [json.loads(event) for event in events],
        }
        print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
