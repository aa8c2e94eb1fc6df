"""The SLURM script with every command that it calls replaced, and the cluster of the cloud against Ray's own schema."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "cluster"
# Each writes what it was called with; srun stays, as `ray start --block` does.
COMMANDS = {
    "scontrol": 'printf "n1\\nn2\\nn3\\n"',
    "hostname": 'echo "127.0.0.1 fe80::1 10.0.0.7 10.1.0.7 "',
    "nproc": "echo 8",
    "sleep": 'if [ "$1" = 1 ]; then exec /bin/sleep 0.05; fi; exec /bin/sleep "$1"',
    "srun": """echo "srun $*" >> "$LOG"
        case "$*" in *--head*) [ -z "$NO_HEAD" ] || exit 1 ;; *) [ -z "$NO_WORKERS" ] || exit 1 ;; esac
        exec sleep 600""",
    # The head takes a moment.
    "ray": 'echo "ray $*" >> "$LOG"; [ -z "$NO_HEAD" ] && [ "$(grep -c "^ray health" "$LOG")" -gt 1 ]',
    "python3": 'echo nodes >> "$LOG"; [ "$(grep -c "^nodes" "$LOG")" -gt 1 ] && echo "${NODES:-3}" || echo 1',
    "dcql": 'echo "dcql $*" >> "$LOG"; if [ -n "$LONG" ]; then exec sleep 600; fi; exit "${STATUS:-0}"',
}
ARGUMENTS = ("run", "clip30", "--pool", "a pool", "--out", "o")


class Job:
    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.log.touch()
        for name, body in COMMANDS.items():
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(0o755)
        self.environment = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "LOG": str(self.log),
            "DCQL_HOME": "/shared/dcql",
            "SLURM_JOB_ID": "123456",
            "SLURM_JOB_NODELIST": "n[1-3]",
        }

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", str(DOCS / "slurm.sh"), *arguments],
            env={**self.environment, **environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def called(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if not line.startswith(("ray health", "nodes"))]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def left(process: "subprocess.Popen[str]") -> list[int]:
    """Return the processes that are left of a script's session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and os.getsid(int(entry.name)) == process.pid:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_command_runs_on_all_nodes(job: Job, status: str) -> None:
    process = job.start(*ARGUMENTS, STATUS=status)
    _, said = process.communicate(timeout=60)
    assert process.returncode == int(status), said
    assert said == "slurm.sh: a Ray cluster of 3 nodes at 10.0.0.7:7456\n"
    common = "--ntasks-per-node=1 --cpus-per-task=8 --overlap"
    ray = "ray start --block --num-cpus=8"
    assert job.called() == [
        f"srun --nodes=1 --ntasks=1 {common} --nodelist=n1 {ray} --head --node-ip-address=10.0.0.7 --port=7456"
        " --temp-dir=/tmp/ray-123456 --include-dashboard=false --disable-usage-stats",
        f"srun --nodes=2 --ntasks=2 {common} --exclude=n1 {ray} --address=10.0.0.7:7456",
        "dcql run clip30 --pool a pool --out o --engine ray --address 10.0.0.7:7456",
    ]
    assert left(process) == []


def test_cores_are_those_of_the_job(job: Job) -> None:
    job.start(*ARGUMENTS, SLURM_CPUS_ON_NODE="32").communicate(timeout=60)
    assert all("--num-cpus=32" in line for line in job.called() if line.startswith("srun"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"NO_HEAD": "1"}, "the head of the Ray cluster did not start: srun ended"),
        ({"NO_WORKERS": "1", "NODES": "1"}, "not all of the 3 nodes joined the Ray cluster: srun ended"),
        ({"NODES": "2", "DCQL_WAIT": "1"}, "not all of the 3 nodes joined the Ray cluster within 1 seconds"),
    ],
)
def test_a_cluster_that_does_not_come_up(job: Job, fault: dict[str, str], said: str) -> None:
    process = job.start(*ARGUMENTS, **fault)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"slurm.sh: {said}" in errors
    assert not any(line.startswith("dcql") for line in job.called())
    assert left(process) == []


def test_the_time_is_over(job: Job) -> None:
    process = job.start(*ARGUMENTS, LONG="1")
    until = time.monotonic() + 60
    while not any(line.startswith("dcql") for line in job.called()):
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert left(process) == []


def test_what_is_missing_is_said(job: Job) -> None:
    process = job.start()
    assert "say what to run" in process.communicate(timeout=60)[1]
    assert process.returncode == 2
    process = job.start(*ARGUMENTS, DCQL_HOME="")
    assert "set DCQL_HOME" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def cluster() -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((DOCS / "aws.yaml").read_text(encoding="utf-8"))


def test_the_cluster_is_what_ray_takes() -> None:
    pytest.importorskip("jsonschema")
    checks = pytest.importorskip("ray.autoscaler._private.util")
    written = cluster()
    checks.validate_config(checks.prepare_config(written))
    with pytest.raises(Exception, match="unexpected"):
        checks.validate_config(checks.prepare_config({**written, "nonsense": 1}))


def test_a_cluster_has_room_for_its_nodes() -> None:
    written = cluster()
    types = written["available_node_types"]
    assert written["head_node_type"] in types
    workers = {name: one for name, one in types.items() if name != written["head_node_type"]}
    assert written["max_workers"] == sum(one["max_workers"] for one in workers.values())
