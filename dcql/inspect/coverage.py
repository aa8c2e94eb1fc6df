"""The coverage of a pool as plain data."""

from typing import Any

from dcql.catalog.coverage import Counted, Coverage


def counted_to_json(counted: Counted) -> dict[str, Any]:
    """Return what recipes see: how many samples are available and intact, and which, by the hash of each subset."""
    return {
        "available": {"samples": counted.available, "hash": counted.available_hash},
        "intact": {"samples": counted.intact, "hash": counted.intact_hash},
    }


def coverage_to_json(coverage: Coverage) -> dict[str, Any]:
    """Return all that was recorded."""
    counted, read = coverage.counted, coverage.read
    stranger = None if read.stranger is None else {"uid": read.stranger[0], "tar": read.stranger[1]}
    return {
        "samples": counted.samples,
        **counted_to_json(counted),
        "states": dict(counted.states),
        "shards": {
            "source": read.source,
            "tars": read.tars,
            "samples": read.members,
            "duplicates": read.duplicates,
            "strangers": read.strangers,
            "stranger": stranger,
            "incomplete": read.incomplete,
            "unnamed": read.unnamed,
            "damaged": [
                {"tar": tar, "offset": offset, "reason": reason, "samples_before": before}
                for tar, offset, reason, before in read.damaged
            ],
            "missing": list(read.missing),
        },
        "bytes": {"as_downloaded": read.as_downloaded} if read.bytes_read else None,
    }
