"""What `/metrics` answers: the counters of all processes and what is true at this moment.

Gauges aren't written down by anybody: they are asked for at each scrape, so a process that died
or a version that left can't leave a wrong one behind.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service import __version__, metrics
from service.ipc.messages import EngineState
from service.metric_slots import LivingProcess, living_processes

# As TensorFlow Serving names them; a state that no version is in is shown as 0.
STATES = ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def exposition(state: EngineState | None) -> bytes:
    """Return everything in Prometheus' text format; `state` is None while the engine is away.

    Takes milliseconds (files are read and merged), so it doesn't belong into an event loop.
    """
    registry = CollectorRegistry()
    registry.register(_Counters())
    registry.register(_Gauges(state))
    return generate_latest(registry)


def counters() -> Iterable[Metric]:
    """Return every counter and histogram, added up over the processes."""
    if metrics.FOLDER is None:
        return metrics.REGISTRY.collect()
    collector = multiprocess.MultiProcessCollector(None, str(metrics.FOLDER))  # type: ignore[no-untyped-call]
    found: Iterable[Metric] = collector.collect()  # type: ignore[no-untyped-call]
    return found


class _Counters(Collector):
    def collect(self) -> Iterable[Metric]:
        return counters()


class _Gauges(Collector):
    def __init__(self, state: EngineState | None) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state
        yield _gauge("hotshelf_engine_up", "1 while the engine answers.", state is not None)
        ready = state is not None and state.default is not None
        yield _gauge("hotshelf_ready", "1 while predictions are answered.", ready)
        if state is not None:
            yield from _engine(state)
        yield _info(state)
        if metrics.FOLDER is not None:
            yield from _processes(living_processes(metrics.FOLDER))


def _engine(state: EngineState) -> Iterator[Metric]:
    yield _gauge("hotshelf_queue_images", "Images that wait for a lane.", state.queued_images)
    yield _gauge(
        "hotshelf_queue_limit_images",
        "Images that may wait; a request that doesn't fit any more is answered 429.",
        state.queue_limit,
    )
    yield _gauge(
        "hotshelf_store_reachable",
        "1 if the store could be read the last time it was looked at.",
        not state.store_problem,
    )
    if state.default is not None:
        yield _gauge(
            "hotshelf_default_version",
            "The version that answers requests which name none.",
            state.default,
        )
    yield from _versions(state)


def _versions(state: EngineState) -> Iterator[Metric]:
    count = Counter(each.state for each in state.versions)
    yield _by_label(
        "hotshelf_versions",
        "Versions in each state.",
        "state",
        {each: count[each] for each in STATES},
    )
    yield _by_label(
        "hotshelf_version_failed",
        "1 for a version that is wanted and can't be served; the console says why.",
        "version",
        {str(each.version): 1 for each in state.versions if each.error},
    )
    yield _by_label(
        "hotshelf_label_version", "The version that a label points at.", "label", state.labels
    )
    loaded = GaugeMetricFamily(
        "hotshelf_version_loaded",
        "1 for a version that is loaded, with the model file that was chosen.",
        labels=["version", "variant"],
    )
    for each in state.versions:
        if each.variant:
            loaded.add_metric([str(each.version), each.variant], 1)
    yield loaded


def _info(state: EngineState | None) -> Metric:
    info = GaugeMetricFamily(
        "hotshelf_info",
        "Always 1; which Hotshelf this is, which model it serves and on what.",
        labels=["version", "model", "device"],
    )
    model, device = (state.model, state.device) if state is not None else ("", "")
    info.add_metric([__version__, model, device], 1)
    return info


def _processes(living: Iterable[LivingProcess]) -> Iterator[Metric]:
    memory = GaugeMetricFamily(
        "hotshelf_process_resident_memory_bytes",
        "Memory of a process, shared pages included.",
        labels=["process", "pid"],
    )
    started = GaugeMetricFamily(
        "hotshelf_process_start_time_seconds",
        "When a process started, since the epoch.",
        labels=["process", "pid"],
    )
    boot_s = _boot_time_s()
    for each in living:
        # It may end between two lines.
        try:
            pages = int(Path(f"/proc/{each.pid}/statm").read_text().split()[1])
            after_name = Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        labels = [each.role, str(each.pid)]
        memory.add_metric(labels, pages * _PAGE_BYTES)
        started.add_metric(labels, boot_s + int(after_name[19]) / _TICKS)
    yield memory
    yield started


def _boot_time_s() -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=float(value))


def _by_label(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
