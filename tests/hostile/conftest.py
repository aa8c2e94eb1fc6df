"""A machine in small for strangers' recipes: a pool, secrets beside it, and `dcql` under watch."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pool.samples import change, samples

from dcql.engine.add import add
from dcql.subset import UID

CANARY = "canary-5f1d7c0a"
SECRET = f"{CANARY} the password is sesame\n"
SECRET_SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
TRACE = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=%file,%network", "-s", "300"]


@dataclass(frozen=True)
class Told:
    """What a command did: see `watcher`."""

    code: int
    out: str
    err: str
    seconds: float
    megabytes: int
    events: list[list[Any]]


@dataclass(frozen=True)
class Machine:
    """Folders below `root`: `home` is the store, `pool` a pool, `secret` what no recipe may read, `work` for cases.

    `dcql` runs a command in a folder, and `trace` is what the system saw, None where it does not look.
    """

    root: Path
    dcql: Callable[[Path, list[str]], Told]
    trace: Path | None = None

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def pool(self) -> Path:
        return self.root / "pool"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def work(self) -> Path:
        return self.root / "work"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = furnished(tmp_path_factory)
    with served(root, []) as dcql:
        yield Machine(root, dcql)


@pytest.fixture
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose every system call on files and sockets is written down."""
    root = furnished(tmp_path_factory)
    trace = root / "watch" / "trace"
    if shutil.which("strace") is None or subprocess.run([*TRACE, "-o", str(trace), "true"]).returncode:
        pytest.skip("strace is not here, or may not trace")
    with served(root, [*TRACE, "-o", str(trace)]) as dcql:
        yield Machine(root, dcql, trace)


def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folders of a machine, with a pool and secrets."""
    root = tmp_path_factory.mktemp("machine").resolve()
    for name in ("home", "secret", "tmp", "work", "watch", "pool"):
        (root / name).mkdir()
    (root / "secret" / "secret.txt").write_text(SECRET)
    (root / "secret" / "secret.dcql").write_text(f"DEFINE {CANARY.replace('-', '_')} AS 1;\nSELECT uid FROM pool;\n")
    (root / "secret" / "secret.py").write_text(f"raise ValueError('{CANARY}')\n")
    np.save(root / "secret" / "secret.npy", np.zeros(3, UID))
    table = samples(200)
    pq.write_table(table.slice(0, 120), root / "pool" / "0.parquet")
    pq.write_table(table.slice(120), root / "pool" / "1.parquet")
    pq.write_table(change(table, "text", 0, CANARY), root / "secret" / "secret.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(root / "home"))
        add("small", root / "pool")
    return root


@contextlib.contextmanager
def served(root: Path, before: list[str]) -> Iterator[Callable[[Path, list[str]], Told]]:
    """Start a watcher, `before` standing before its command; give what runs a command under it."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DCQL_", "COLUMNS", "FORCE_"))},
        "DCQL_HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "HOME": str(root / "secret"),
        "TOKEN": CANARY,
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # what is written is a recipe's doing
    }
    command = [*before, sys.executable, str(Path(__file__).parent / "watcher.py"), str(root / "watch")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        stdin, stdout = server.stdin, server.stdout

        def dcql(cwd: Path, arguments: list[str]) -> Told:
            stdin.write(json.dumps({"cwd": str(cwd), "arguments": arguments}) + "\n")
            stdin.flush()
            return Told(**json.loads(stdout.readline()))

        yield dcql
        stdin.close()
