"""A real Prometheus scrapes the real service with the configuration that comes with it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from model_store import ModelStore
from tests.doc_blocks import ROOT
from tests.eventually import eventually
from tests.system.running import Service, free_port, publish, service

MONITORING = ROOT / "monitoring"
PROMETHEUS = shutil.which("prometheus")
# Two scrapes make a rate; they come every second here.
INTERVAL = "10s"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus isn't installed"),
]


class Prometheus:
    """A server's HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self._url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=10).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def has_data(self, expression: str) -> bool:
        return bool(self.ask("query", query=expression)["result"])


@contextlib.contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    folder.mkdir()
    configuration = (MONITORING / "prometheus.yml").read_text()
    for ours, here in (
        ("127.0.0.1:8000", target.removeprefix("http://")),
        ("15s", "1s"),
        ("alerts.yml", str(MONITORING / "alerts.yml")),
    ):
        assert ours in configuration
        configuration = configuration.replace(ours, here)
    (folder / "prometheus.yml").write_text(configuration)
    address = f"127.0.0.1:{free_port()}"
    assert PROMETHEUS is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        server = Prometheus(f"http://{address}")
        eventually(server.is_up, within_s=30, what="Prometheus is up")
        yield server
    finally:
        process.terminate()
        process.wait()


def panels() -> dict[str, list[str]]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    return {
        panel["title"]: [
            each["expr"].replace("$__rate_interval", INTERVAL).replace("$instance", ".*")
            for each in panel["targets"]
        ]
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    }


def miss_the_store(running: Service, shelf: Path) -> None:
    """Have looks at the store fail for a moment."""
    away = shelf.with_name("away")
    shelf.rename(away)
    eventually(lambda: "can't be read" in running.said(), within_s=10, what="the store is missed")
    away.rename(shelf)
    eventually(lambda: "read again" in running.said(), within_s=10, what="the store is back")


def test_every_panel_has_data_and_every_alert_is_understood(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "version", favours=1)
    local_store.label("resnet50", "production", 1)
    with (
        service(local_store.url, tmp_path / "service") as running,
        prometheus(tmp_path / "prometheus", running.url) as server,
    ):
        miss_the_store(running, tmp_path / "shelf")

        def still_empty() -> set[str]:
            assert running.predict().status_code == 200
            assert running.predict(b"no image").status_code == 400
            return {
                title
                for title, expressions in panels().items()
                if not all(map(server.has_data, expressions))
            }

        eventually(lambda: not still_empty(), within_s=30, what="every panel has data")
        (target,) = server.ask("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}
        assert {rule["state"] for rule in rules if rule["type"] == "alerting"} <= {
            "inactive",
            "pending",
        }
