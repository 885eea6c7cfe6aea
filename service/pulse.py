"""What the console draws: the counters of predictions in few numbers, added up over all processes.

Like all counters they only grow; who wants rates takes differences.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from service.exposition import counters

REQUESTS = "hotshelf_requests_total"
TIMES = "hotshelf_request_duration_seconds_bucket"

# What isn't a prediction: probes, metadata, scrapes, pages, changes, unknown paths.
OTHER_DIALECTS = frozenset({"admin", "console", "description", "metadata", "none", "operations"})


def pulse() -> dict[str, Any]:
    """Return requests so far, how many of them failed (5xx) and were turned away (429), and times.

    `bounds_s` and `counts` are the cumulative buckets of the time to answer, in seconds; the last
    count is that of all requests. Takes milliseconds.
    """
    by_status: dict[str, float] = defaultdict(float)
    buckets: dict[float, float] = defaultdict(float)
    for metric in counters():
        for sample in metric.samples:
            if sample.labels.get("dialect") in OTHER_DIALECTS:
                continue
            if sample.name == REQUESTS:
                by_status[sample.labels["status"]] += sample.value
            elif sample.name == TIMES:
                buckets[float(sample.labels["le"])] += sample.value
    bounds = sorted(buckets)
    return {
        "requests": sum(by_status.values()),
        "failed": sum(count for status, count in by_status.items() if status >= "500"),
        "turned_away": by_status.get("429", 0.0),
        "bounds_s": [bound for bound in bounds if math.isfinite(bound)],
        "counts": [buckets[bound] for bound in bounds],
    }
