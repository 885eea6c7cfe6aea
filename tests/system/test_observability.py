"""Metrics, logs and traces of the real service, while its processes die."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
import requests

from model_store import ModelStore
from tests.eventually import eventually
from tests.otlp_collector import otlp_collector
from tests.system.running import Service, publish, service

REQUESTS = 20
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

pytestmark = pytest.mark.system


def metrics(running: Service) -> dict[str, float]:
    text = requests.get(f"{running.url}/metrics", timeout=10).text
    lines = [each.rpartition(" ") for each in text.splitlines() if not each.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def predictions(running: Service) -> float:
    found = metrics(running)
    return sum(
        value
        for series, value in found.items()
        if re.match(r'hotshelf_requests_total{dialect="simple",status="200"', series)
    )


def predict(running: Service, count: int) -> None:
    for _ in range(count):
        # A connection of a worker that is killed is gone; each request takes a new one.
        assert running.predict().status_code == 200


def all_ready(running: Service) -> bool:
    """Tell whether every worker has found the engine: one that answers is chosen at random."""
    return all(running.is_ready() for _ in range(20))


def worker_pids(running: Service) -> list[int]:
    found = metrics(running)
    return [
        int(match[1])
        for series in found
        if (match := re.match(r'hotshelf_process_start.*pid="(\d+)",process="worker"', series))
    ]


def wait_for_another_worker(running: Service, *, gone: int) -> None:
    eventually(lambda: len({*worker_pids(running)} - {gone}) == 2, within_s=20, what="a new worker")


def test_counters_are_exact_and_files_few_however_often_processes_die(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "version", favours=1)
    run_dir = tmp_path / "run"
    with service(local_store.url, tmp_path / "service", HOTSHELF_RUN_DIR=str(run_dir)) as running:
        eventually(lambda: len(worker_pids(running)) == 2, within_s=10, what="both workers")
        predict(running, REQUESTS)
        files = {each.name for each in (run_dir / "metrics").iterdir()}
        for restarts in (1, 2, 3):
            engine, worker = running.engine_pid(), worker_pids(running)[0]
            os.kill(worker, signal.SIGKILL)
            os.kill(engine, signal.SIGKILL)
            wait_for_another_worker(running, gone=worker)
            eventually(lambda: all_ready(running), within_s=20, what="a new engine")
            predict(running, REQUESTS)
            found = metrics(running)
            assert found['hotshelf_process_starts_total{process="engine"}'] == 1 + restarts
            assert found['hotshelf_process_starts_total{process="worker"}'] == 2 + restarts
        assert predictions(running) == 4 * REQUESTS
        found = metrics(running)
        for series in ("decode_duration_seconds_count", "queue_duration_seconds_count"):
            assert found[f"hotshelf_{series}"] == 4 * REQUESTS
        assert found["hotshelf_batch_images_sum"] == 4 * REQUESTS
        assert {each.name for each in (run_dir / "metrics").iterdir()} == files


@pytest.mark.timed
def test_metrics_say_that_the_engine_is_away(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "version", favours=1)
    with service(local_store.url, tmp_path / "service") as running:
        assert metrics(running)["hotshelf_ready"] == 1
        os.kill(running.engine_pid(), signal.SIGKILL)
        eventually(lambda: metrics(running)["hotshelf_ready"] == 0, within_s=2, what="not ready")
        assert "hotshelf_queue_images" not in metrics(running)
        eventually(lambda: metrics(running)["hotshelf_ready"] == 1, within_s=20, what="ready")


def test_every_process_logs_json(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "version", favours=1)
    with service(
        local_store.url,
        tmp_path / "service",
        HOTSHELF_LOG_FORMAT="json",
        HOTSHELF_ACCESS_LOG="on",
    ) as running:
        running.predict(headers={"X-Request-Id": "mine"})
        eventually(lambda: "Stop:" in running.said(), within_s=10, what="the greeting")
        os.kill(running.engine_pid(), signal.SIGKILL)
        eventually(lambda: "SIGKILL" in running.said(), within_s=10, what="the supervisor's line")
    said = [each for each in running.said().splitlines() if each]
    events = [json.loads(each) for each in said if each.startswith("{")]
    # The greeting is for people and comes on standard output.
    others = [each for each in said if not each.startswith("{")]
    assert [each.split()[0] for each in others] == ["Hotshelf", "Try:", "Stop:"]
    assert {each["process"] for each in events} == {"supervisor", "http", "engine"}
    assert {"time", "level", "pid", "logger", "message"} <= set.intersection(*map(set, events))
    (mine,) = [each for each in events if each.get("request_id") == "mine"]
    assert (mine["path"], mine["status"], mine["version"]) == ("/predict", 200, "1")


def test_a_trace_leads_from_the_caller_through_worker_and_queue_to_the_model(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "version", favours=1)
    with (
        otlp_collector() as collector,
        service(
            local_store.url,
            tmp_path / "service",
            python=sys.executable,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as running,
    ):
        running.predict(headers={"traceparent": CALLER})
        trace = bytes.fromhex(CALLER.split("-")[1])

        def mine() -> dict[str, object]:
            return {each.name: each for each in collector.spans() if each.trace_id == trace}

        eventually(lambda: len(mine()) == 4, within_s=20, what="four spans")
        spans = {each.name: each for each in collector.spans() if each.trace_id == trace}
    request = spans.pop("POST /predict")
    assert request.parent_span_id.hex() == CALLER.split("-")[2]
    assert set(spans) == {"decode", "queue", "inference"}
    for each in spans.values():
        assert each.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= each.end_time_unix_nano <= request.end_time_unix_nano
    assert spans["queue"].end_time_unix_nano <= spans["inference"].end_time_unix_nano
