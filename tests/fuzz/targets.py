"""The readers of bytes that strangers write, or that a damaged disk gives."""

from dcql.tars.members import DamagedTarError
from fuzz import binaries, documents, tables, texts
from fuzz.judging import Target

_SYNTAX = (
    "dcql.syntax.scan",
    "dcql.syntax.parser",
    "dcql.syntax.tree",
    "dcql.syntax.habits",
    "dcql.syntax.expected",
    "dcql.syntax.place",
    "dcql.syntax.canonical",
)
_PLAN = (
    "dcql.plan.queries",
    "dcql.plan.resolve",
    "dcql.plan.expressions",
    "dcql.plan.features",
    "dcql.plan.model_specs",
    "dcql.plan.lookup",
    "dcql.plan.scope",
    "dcql.plan.constants",
    "dcql.lower.lower",
    "dcql.lower.thresholds",
    "dcql.lower.cut",
    "dcql.lower.chain",
    "dcql.lower.sql",
)
_SUBMISSION = (
    "dcql.submission.documents",
    "dcql.submission.layout",
    "dcql.submission.entry",
    "dcql.submission.chain",
    "dcql.submission.rules",
    "dcql.submission.results",
)

TARGETS = {
    target.name: target
    for target in (
        Target("recipe", texts.recipe, (*_SYNTAX, *_PLAN)),
        Target("set_file", texts.set_file, ("dcql.catalog.inputs", "dcql.plan.sets")),
        Target(
            "table",
            tables.table,
            ("dcql.catalog.tables", "dcql.engine.tables", "dcql.plan.tables", "dcql.lower.tables"),
            (tables.NoTableError,),
        ),
        Target("lock", texts.lock_file, ("dcql.locks.lock", "dcql.locks.lock_file")),
        Target("program", texts.program, ("dcql.lower.stored",), (ValueError,)),
        Target("manifest", documents.manifest, ("dcql.run_folder", "dcql.records.recorded")),
        Target("trained", documents.trained, ("dcql.runtime.train.folder", "dcql.runtime.evaluate.runs")),
        Target("evaluated", documents.evaluated, ("dcql.runtime.evaluate.results",)),
        Target("shard_set", documents.shard_set, ("dcql.runtime.shards",)),
        Target("shard_index", documents.shard_index, ("dcql.runtime.shards", "dcql.runtime.shard_reader")),
        Target("submission", documents.submission, _SUBMISSION),
        Target("pool_record", documents.pool_record, ("dcql.catalog.pool",)),
        Target("subset", binaries.subset, ("dcql.subset",)),
        Target(
            "tar",
            binaries.tar,
            (
                "dcql.tars.members",
                "dcql.tars.samples",
                "dcql.tars.plain",
                "dcql.runtime.reshard.scan",
                "dcql.engine.coverage.scan",
            ),
            (DamagedTarError,),
        ),
        Target("eval_set", binaries.eval_set, ("dcql.runtime.evaluate.layout",)),
        Target("pool", binaries.pool, ("dcql.catalog.files", "dcql.catalog.parquet")),
        Target("pool_added", binaries.pool_added, ("dcql.engine.add", "dcql.engine.intake", "dcql.engine.scalars")),
        Target("embeddings", binaries.embeddings, ("dcql.engine.embeddings",)),
        Target("asset", binaries.asset, ("dcql.engine.features.assets",)),
        Target("stored_values", binaries.stored_values, ("dcql.engine.features.files", "dcql.engine.features.vectors")),
        Target(
            "distribution",
            binaries.distribution,
            ("dcql.engine.distribution", "dcql.engine.buckets"),
            (OSError, ValueError, KeyError),
        ),
        Target("fasttext", binaries.fasttext, ("dcql.engine.udfs.fasttext_model",), (ValueError,)),
        Target("image", binaries.image, ("dcql.images",)),
    )
}
