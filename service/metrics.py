"""What the service counts: Prometheus metrics that every process adds to where things happen.

Where the supervisor has set PROMETHEUS_MULTIPROC_DIR, each process counts in files of its own
there (`metric_slots`), and `exposition` in whichever worker is asked adds them up. What is true at
the moment, such as the length of the queue, is no counter: `exposition` asks for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)

from service.metric_slots import Slot

_folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
FOLDER = Path(_folder) if _folder else None
"""Where the processes' files are; None when this process counts for itself alone, as in tests."""

_slot = Slot(FOLDER) if FOLDER else None
if _slot is not None:
    # The documented way to name the files; it has to come before the first metric is made.
    values.ValueClass = values.MultiProcessValue(_slot)  # type: ignore[no-untyped-call]

# Files that outlive processes have no such times, so nobody gets them.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

_LATENCIES = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1,
    0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
_LOADS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REQUESTS = Counter(
    "hotshelf_requests_total",
    "HTTP requests, answered or given up by their clients.",
    ["dialect", "status", "version"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "hotshelf_request_duration_seconds",
    "Time from a complete HTTP request to its answer.",
    ["dialect"],
    buckets=_LATENCIES,
    registry=REGISTRY,
)
REJECTIONS = Counter(
    "hotshelf_rejected_requests_total",
    "Requests that were answered with an error, by what was wrong.",
    ["reason"],
    registry=REGISTRY,
)
DECODE_SECONDS = Histogram(
    "hotshelf_decode_duration_seconds",
    "Time to decode one image and bring it to size.",
    buckets=_LATENCIES,
    registry=REGISTRY,
)
QUEUE_SECONDS = Histogram(
    "hotshelf_queue_duration_seconds",
    "Time a request waited for a free lane.",
    buckets=_LATENCIES,
    registry=REGISTRY,
)
INFERENCE_SECONDS = Histogram(
    "hotshelf_inference_duration_seconds",
    "Time a batch took in the model.",
    buckets=_LATENCIES,
    registry=REGISTRY,
)
BATCH_IMAGES = Histogram(
    "hotshelf_batch_images", "Images in a batch.", buckets=_IMAGES, registry=REGISTRY
)
VERSION_LOADS = Histogram(
    "hotshelf_version_load_duration_seconds",
    "Time to fetch, verify, load and warm up a version, by how it ended (loaded, failed).",
    ["outcome"],
    buckets=_LOADS,
    registry=REGISTRY,
)
SWAPS = Counter(
    "hotshelf_swaps_total",
    "How often requests that name no version began to go to another one.",
    registry=REGISTRY,
)
STORE_POLLS = Counter(
    "hotshelf_store_polls_total",
    "Looks at the store, by how they ended (ok, failed).",
    ["outcome"],
    registry=REGISTRY,
)
STORE_ERRORS = Counter(
    "hotshelf_store_errors_total",
    "Errors of the store, by kind, whatever was asked of it.",
    ["error"],
    registry=REGISTRY,
)
PROCESS_STARTS = Counter(
    "hotshelf_process_starts_total",
    "Processes started since the service was; more than were asked for are restarts.",
    ["process"],
    registry=REGISTRY,
)


def sign_in(role: str) -> None:
    """Count this process's start and let scrapes see that it lives."""
    if _slot is not None:
        _slot.sign(role)
    PROCESS_STARTS.labels(role).inc()
