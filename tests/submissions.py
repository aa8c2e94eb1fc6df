"""What reshard, train and eval leave in a run folder, made up in their formats, with hashes by their formulas."""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dcql.runtime.evaluate.identity import task_hash
from dcql.runtime.evaluate.results import summary
from dcql.runtime.evaluate.tasks import Suite, Task, tasks
from dcql.runtime.identity import environment_hash, run_hash, run_key
from dcql.runtime.reshard import Settings
from dcql.runtime.scales import scale_named
from dcql.runtime.shards import ShardSet, digest_of, to_json

from dcql.cli import main
from dcql.submission.pack import Author

AUTHOR = Author("CLIP score, top 30 %", ("A. Author", "B. Author"), "filtering", created=date(2026, 1, 31))
POLICY = dict(Settings().policy)
ENVIRONMENT = {
    "python": "3.11.2",
    "system": "Linux x86_64",
    "processor": "a processor",
    "device": "cpu",
    "threads": 1,
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "images": {"jpg": "3.1.2", "webp": "1.6.0"},
}


def complete(
    run: Path,
    *,
    seed: int = 0,
    quality: float = 0.5,
    scale: str = "demo",
    missing: int = 0,
    shards: ShardSet | None = None,
) -> Path:
    """Add shards, a training and an evaluation to a run folder; return the training's folder.

    `quality` from 0 to 1 moves every metric; `missing` uids are in no shard. `shards` are those of a real reshard.
    """
    manifest = json.loads((run / "manifest.json").read_text())
    shards = shards if shards is not None else _shards(manifest, missing)
    write_json(run / "shards" / "shards.json", to_json(shards))
    fixed = scale_named(scale)
    key = run_key(shards, fixed, seed, fixed.sampling, fixed.precision)
    folder = run / "train" / f"{scale}-seed{seed}"
    record = {
        "schema": 1,
        "run_hash": run_hash(key),
        "key": key,
        "environment": ENVIRONMENT,
        "environment_hash": environment_hash(ENVIRONMENT),
    }
    write_json(folder / "run.json", record)
    weights = {
        "schema": 1,
        "weights_sha256": sha(f"weights of {record['run_hash']}"),
        "run_hash": record["run_hash"],
        "steps": fixed.steps,
        "samples_seen": fixed.steps * fixed.batch,
    }
    write_json(folder / "weights.json", weights)
    suite = Suite.DEMO if scale == "demo" else Suite.DATACOMP
    lines = [line(task, record["run_hash"], weights["weights_sha256"], quality) for task in tasks(suite)]
    write_results(folder / "eval", lines)
    write_json(folder / "eval" / "environments.json", {environment_hash(ENVIRONMENT): ENVIRONMENT})
    return folder


def line(task: Task, run: str, weights: str, quality: float) -> dict[str, Any]:
    """Return a line of eval_results.jsonl; a task's own digits move its metrics a little."""
    wobble = int(hashlib.sha256(task.key.encode()).hexdigest()[:4], 16) / 65536
    main = round((task.chance or 0.0) + quality * (0.2 + 0.3 * wobble), 6)
    metrics: dict[str, Any] = {"acc1": round(main / 2, 6), "acc5": main}
    if task.main is not None:
        metrics[task.main] = main
    spread = 1.96 * (main * (1 - main) / task.n) ** 0.5
    dataset = task.dataset or sha(f"set of {task.key}")
    return {
        "key": task.key,
        "dataset": task.name,
        "metrics": {**metrics, "main_metric": main if task.main is not None else None},
        "run_hash": run,
        "eval_hash": task_hash(task, weights, run, dataset),
        "weights_sha256": weights,
        "n": task.n,
        "interval": [max(0.0, main - spread), min(1.0, main + spread)] if task.main is not None else None,
        "interval_method": "wilson",
        "complete": True,
        "damaged": 0,
        "dataset_sha256": dataset,
        "environment_hash": environment_hash(ENVIRONMENT),
        "split": "test",
        "seconds": 1.5,
        "schema": 1,
    }


def write_results(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Write eval_results.jsonl and the eval.json that belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (folder / "eval_results.jsonl").write_text(text)
    asked = Suite.DEMO if any(one["key"].startswith("demo/") for one in lines) else Suite.DATACOMP
    keyed = {one["key"]: one for one in lines}
    found = summary(keyed, asked, lines[0]["weights_sha256"], lines[0]["run_hash"])
    write_json(folder / "eval.json", found)


def _shards(manifest: dict[str, Any], missing: int) -> ShardSet:
    total, distinct = manifest["total"], manifest["distinct"]
    samples = total - missing
    sizes = tuple(min(10_000, samples - start) for start in range(0, samples, 10_000))
    sha256 = tuple(hashlib.sha256(f"{manifest['hash']} {number}".encode()).hexdigest() for number in range(len(sizes)))
    return ShardSet(
        folder="",
        subset=manifest["hash"],
        pool=manifest["pool"]["fingerprint"],
        digest=digest_of(manifest["hash"], POLICY, sha256),
        samples=samples,
        distinct=distinct - missing,
        missing=missing,
        duplicates=0,
        unnamed=0,
        blurred=0,
        policy=POLICY,
        copied=True,
        sizes=sizes,
        sha256=sha256,
        tars=(),
        index_sha256=hashlib.sha256(b"index").hexdigest(),
    )


def write_json(path: Path, data: Any) -> None:
    """Write a document as the runtime does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n")


def sha(text: str) -> str:
    """Return a digest that stands for something which the tests do not make."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def ran(recipe: str, folder: Path, store: Path) -> Path:
    """Run a recipe on the demo pool of a store; return its run folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store))
        with pytest.raises(SystemExit) as ended:
            main(["run", recipe, "--pool", "demo", "--out", str(folder)])
    assert ended.value.code == 0
    return folder


# --- writing a submission anew from some document on ------------------------------------------------------------------


def reseal(folder: Path, *, quality: float = 0.5) -> None:
    """Give a submission the hashes that follow from its run.json: a forger who changes a key goes on to its end."""
    record = read(folder / "run.json")
    record["run_hash"] = run_hash(record["key"])
    write_json(folder / "run.json", record)
    weights = read(folder / "weights.json")
    weights["run_hash"] = record["run_hash"]
    write_json(folder / "weights.json", weights)
    results = [json.loads(text) for text in (folder / "eval_results.jsonl").read_text().splitlines()]
    known = {task.key: task for suite in Suite for task in tasks(suite)}
    lines = [line(known[one["key"]], record["run_hash"], weights["weights_sha256"], quality) for one in results]
    write_results(folder, lines)
    seal_entry(folder)


def seal_entry(folder: Path) -> None:
    """Let entry.toml stand for the evaluation that lies beside it."""
    entry = folder / "entry.toml"
    digest = "sha256:" + hashlib.sha256((folder / "eval_results.jsonl").read_bytes()).hexdigest()
    text = re.sub(r'evaluation = ".*"', f'evaluation = "{read(folder / "eval.json")["eval_hash"]}"', entry.read_text())
    entry.write_text(re.sub(r'results = ".*"', f'results = "{digest}"', text))


def read(path: Path) -> Any:
    """Read a document."""
    return json.loads(path.read_text())
