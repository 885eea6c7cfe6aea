"""What the console draws: the counters of predictions in few numbers, added up over all processes.

Like all counters they only grow; who wants rates takes differences.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from service.exposition import counters
from service.metrics import BATCH_IMAGES, REQUEST_SECONDS, REQUESTS

# What isn't a prediction: probes, scrapes, the console itself, unknown paths.
OTHER_DIALECTS = frozenset({"admin", "console", "none", "openapi", "operations"})


def pulse() -> dict[str, Any]:
    """Return requests so far, how many of them failed (5xx) and were turned away (429), and times.

    `bounds_s` and `counts` are the cumulative buckets of the time to answer, in seconds; the last
    count is that of all requests. Takes milliseconds.
    """
    by_status: dict[str, float] = defaultdict(float)
    buckets: dict[float, float] = defaultdict(float)
    batches = images = 0.0
    for metric in counters():
        for sample in metric.samples:
            if sample.labels.get("dialect") in OTHER_DIALECTS:
                continue
            if sample.name == f"{_name(REQUESTS)}_total":
                by_status[sample.labels["status"]] += sample.value
            elif sample.name == f"{_name(REQUEST_SECONDS)}_bucket":
                buckets[float(sample.labels["le"])] += sample.value
            elif sample.name == f"{_name(BATCH_IMAGES)}_sum":
                images += sample.value
            elif sample.name == f"{_name(BATCH_IMAGES)}_count":
                batches += sample.value
    bounds = sorted(buckets)
    return {
        "requests": sum(by_status.values()),
        "failed": sum(count for status, count in by_status.items() if status >= "500"),
        "turned_away": by_status.get("429", 0.0),
        "images": images,
        "batches": batches,
        "bounds_s": [bound for bound in bounds if math.isfinite(bound)],
        "counts": [buckets[bound] for bound in bounds],
    }


def _name(metric: Any) -> str:
    (family,) = metric.describe()
    name: str = family.name
    return name
