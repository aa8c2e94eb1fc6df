"""The manifest of a run: everything that says where a subset comes from."""

import hashlib
from typing import Any

import dcql
from dcql.catalog.pool import Pool
from dcql.engine import duck
from dcql.engine.run import Result
from dcql.inspect.coverage import counted_to_json
from dcql.inspect.features import features_to_json
from dcql.inspect.funnel import counts_to_json, funnel, statistic_to_json
from dcql.lower.program import Program
from dcql.source import LANGUAGE, Source


def manifest(source: Source, program: Program, pool: Pool, result: Result, *, locked: bool = False) -> dict[str, Any]:
    """Return a run's manifest as plain data.

    It holds no times, so that the same run gives the same manifest.
    """
    return {
        "hash": result.subset.hash,
        "distinct": result.subset.distinct,
        "total": result.subset.total,
        "pool": {"name": pool.name, "fingerprint": pool.fingerprint, "samples": pool.rows},
        "recipe": {
            "name": source.name,
            "sha256": hashlib.sha256(source.text.encode("utf-8")).hexdigest(),
            "text": source.text,
        },
        "locked": locked,
        "parameters": dict(program.parameters),
        "effect": program.effect,
        "thresholds": [statistic_to_json(found) for stage in result.stages for found in stage],
        **({"coverage": counted_to_json(result.coverage)} if result.coverage is not None else {}),
        "counts": counts_to_json(funnel(program, result)),
        **(features_to_json(result.features) if result.features is not None else {}),
        "versions": {"dcql": dcql.__version__, "semantics": LANGUAGE, "duckdb": duck.VERSION},
    }
