"""The statistics extension: the engine's counters in Triton's shape, times in nanoseconds."""

from __future__ import annotations

from typing import Any

from service.statistics import Times, VersionStatistics

# Images are decoded before the engine has them and answers aren't copied, so it counts no time
# there; clients that add the parts up expect the fields all the same.
_NOTHING = Times()


def model_statistics(model: str, versions: list[VersionStatistics]) -> dict[str, Any]:
    """Return the counters of these versions."""
    return {"model_stats": [_version(model, each) for each in versions]}


def _version(model: str, counted: VersionStatistics) -> dict[str, Any]:
    executions = sum(each.count for each in counted.batches.values())
    prepared = Times(counted.infer.count)
    return {
        "name": model,
        "version": str(counted.version),
        "last_inference": counted.last_ms,
        "inference_count": counted.images,
        "execution_count": executions,
        "inference_stats": {
            "success": counted.success,
            "fail": counted.fail,
            "queue": counted.queue,
            "compute_input": prepared,
            "compute_infer": counted.infer,
            "compute_output": prepared,
            "cache_hit": _NOTHING,
            "cache_miss": _NOTHING,
        },
        "batch_stats": [_batch(size, times) for size, times in sorted(counted.batches.items())],
    }


def _batch(size: int, times: Times) -> dict[str, Any]:
    prepared = Times(times.count)
    return {
        "batch_size": size,
        "compute_input": prepared,
        "compute_infer": times,
        "compute_output": prepared,
    }
