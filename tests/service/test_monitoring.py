"""Dashboard and alert rules speak of metrics that there are, in words that Prometheus reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.exposition import exposition
from service.ipc.messages import EngineState, VersionStatus
from service.pulse import OTHER_DIALECTS
from service.web.observation import PREDICTING
from tests.doc_blocks import ROOT

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "alerts.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
OPERATING = ROOT / "docs" / "operating.md"
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool isn't installed (apt-get install prometheus)"
)
STATE = EngineState(
    "resnet50",
    3,
    (VersionStatus(3, "AVAILABLE"), VersionStatus(4, "END", "its file is damaged")),
    labels={"production": 3},
)
# Read from /proc at a scrape, for processes that hold a slot.
OF_PROCESSES = {"hotshelf_process_resident_memory_bytes", "hotshelf_process_start_time_seconds"}


def promtool(*arguments: str | Path, text: str | None = None) -> None:
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, *map(str, arguments)], input=text, capture_output=True, text=True, check=False
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    assert "WARNING" not in said, said


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def expressions() -> list[str]:
    return [
        each["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panel in dashboard()["panels"]
        for each in panel.get("targets", [])
    ]


def exposed() -> set[str]:
    """Return every metric's name; `_bucket`, `_sum` and `_count` belong to a histogram's name."""
    types = re.findall(r"^# TYPE (\S+)", exposition(STATE).decode(), re.MULTILINE)
    return set(types) | OF_PROCESSES


def named(text: str) -> set[str]:
    names = re.findall(r"\bhotshelf_[a-z_0-9]+", text)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_alerts_speak_of_metrics_that_there_are() -> None:
    used = named(RULES.read_text())
    assert len(used) > 8
    assert used <= exposed()


def test_the_dashboard_speaks_of_metrics_that_there_are() -> None:
    used = named(" ".join(expressions()))
    assert len(used) > 15
    assert used <= exposed()


def test_every_metric_is_explained() -> None:
    page = OPERATING.read_text()
    assert {name for name in exposed() if f"`{name}`" not in page} == set()


def test_no_panel_lies_over_another() -> None:
    panels = dashboard()["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    for one, other in combinations([each["gridPos"] for each in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_every_alert_says_what_to_do() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    headings = re.findall(r"^#+ (\w+)$", OPERATING.read_text(), re.MULTILINE)
    runbooks = re.findall(r"runbook: docs/operating.md#(\w+)", RULES.read_text())
    assert len(alerts) == len(runbooks) > 8
    assert set(alerts) <= set(headings)
    assert runbooks == [each.lower() for each in alerts]


@needs_promtool
def test_promtool_finds_nothing_wrong_with_rules_and_configuration() -> None:
    promtool("check", "config", MONITORING / "prometheus.yml")
    promtool("check", "rules", RULES)


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", Path(__file__).parent / "alerts_test.yml")


@needs_promtool
def test_prometheus_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())
    ]
    # JSON is YAML.
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_metrics(client: FlaskClient, png: bytes) -> None:
    client.post("/predict", data=png)
    client.post("/predict", data=b"no image")
    promtool("check", "metrics", text=exposition(STATE).decode())


def test_predictions_are_told_from_everything_else_in_the_same_way_everywhere(app: Flask) -> None:
    assert set(app.blueprints) | {"metadata", "none"} == OTHER_DIALECTS | PREDICTING
    everywhere = RULES.read_text() + " ".join(expressions())
    filters = re.findall(r'dialect!~"([^"]+)"', everywhere)
    assert len(filters) > 8
    assert set(filters) == {"|".join(sorted(OTHER_DIALECTS))}
