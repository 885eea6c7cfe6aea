"""The service's Prometheus metrics, added up over all its processes.

Each process writes its own counters into files under PROMETHEUS_MULTIPROC_DIR, which the supervisor
sets before it starts any of them; `/metrics` in whichever worker adds them up.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)

REQUESTS = Counter(
    "hotshelf_requests_total", "HTTP requests answered", ["dialect", "status", "version"]
)
REQUEST_SECONDS = Histogram(
    "hotshelf_request_seconds", "Time to answer an HTTP request", ["dialect"], buckets=_SECONDS
)
QUEUE_SECONDS = Histogram(
    "hotshelf_queue_seconds", "Time a request waited for a free lane", buckets=_SECONDS
)
INFERENCE_SECONDS = Histogram(
    "hotshelf_inference_seconds", "Time a batch took in the model", buckets=_SECONDS
)
BATCH_IMAGES = Histogram("hotshelf_batch_images", "Images in a batch", buckets=_IMAGES)
VERSION_AVAILABLE = Gauge(
    "hotshelf_version_available",
    "1 for a version that can answer, 0 for one that can't",
    ["version"],
    multiprocess_mode="livemostrecent",
)
STORE_POLLS = Counter("hotshelf_store_polls_total", "Looks at the store", ["outcome"])


def exposition() -> bytes:
    """Return all processes' metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()
