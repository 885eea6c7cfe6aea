from __future__ import annotations

import json
import tomllib
from pathlib import Path

from benchmarks.against_keras import (
    AFTERWARDS,
    HOTSHELF,
    KERAS,
    Point,
    bare_recipe,
    figure,
    our_points,
)
from training.preset import load_preset


def test_the_recipe_is_the_preset_without_what_follows_training(tmp_path: Path) -> None:
    found = tomllib.loads(bare_recipe("cpu-2h", tmp_path).read_text())
    preset = load_preset("cpu-2h")
    assert set(preset) - set(found) == set(AFTERWARDS)
    assert found == {key: preset[key] for key in found}


def test_a_runs_evaluations_count_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    lines = [
        {"kind": "train", "at": 1030.0, "loss": 5.0},
        {"kind": "eval", "at": 1060.0, "top1": 0.1},
        {"kind": "eval", "at": 1180.0, "top1": 0.25},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert our_points(log, began=1000.0) == [Point(1.0, 0.1), Point(3.0, 0.25)]


def test_the_figure_shows_at_each_mark_what_was_known_by_then() -> None:
    ours = [Point(9.0, 0.1), Point(19.0, 0.2), Point(88.0, 0.4)]
    plain = [Point(10.5, 0.03), Point(101.0, 0.12)]
    drawn = figure({HOTSHELF: ours, KERAS: plain}, minutes=100)
    [described] = [line for line in drawn.splitlines() if line.startswith("<desc")]
    assert f"{HOTSHELF} 10.0, 20.0, {'20.0, ' * 6}40.0, 40.0" in described
    assert f"{KERAS} {'3.0, ' * 9}12.0" in described
