"""From a subset and the pool's tars to training shards: find the samples, plan, write, and state what was written."""

from dcql.runtime.reshard.run import reshard
from dcql.runtime.reshard.settings import SHARD_SIZE, Settings

__all__ = ["SHARD_SIZE", "Settings", "reshard"]
