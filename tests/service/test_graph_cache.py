from __future__ import annotations

from pathlib import Path

import pytest

from service.engine.graph_cache import optimized_graph

RUNTIME = "ort-1"


class Builder:
    """Writes a graph and its weights, and counts how often."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, graph: Path) -> None:
        self.built += 1
        graph.write_text("graph")
        graph.with_name("weights").write_text("weights")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_text("model")
    return path


def test_a_graph_is_built_once_and_found_again(model: Path) -> None:
    build = Builder()
    first = optimized_graph(model, RUNTIME, build)
    assert first.read_text() == "graph"
    assert optimized_graph(model, RUNTIME, build) == first
    assert build.built == 1


def test_another_runtime_has_a_graph_of_its_own(model: Path) -> None:
    build = Builder()
    assert optimized_graph(model, RUNTIME, build) != optimized_graph(model, "ort-2", build)
    assert build.built == 2


@pytest.mark.parametrize("damage", ["model.onnx", "weights", "digests.json"])
def test_a_damaged_graph_is_built_anew(model: Path, damage: str) -> None:
    build = Builder()
    graph = optimized_graph(model, RUNTIME, build)
    graph.with_name(damage).write_text("damaged")
    again = optimized_graph(model, RUNTIME, build)
    assert [again.with_name(name).read_text() for name in ("model.onnx", "weights")] == [
        "graph",
        "weights",
    ]
    assert build.built == 2


def test_a_build_that_fails_leaves_nothing(model: Path) -> None:
    def fail(graph: Path) -> None:
        graph.write_text("half")
        raise LookupError("no such operator")

    with pytest.raises(LookupError):
        optimized_graph(model, RUNTIME, fail)
    assert list(model.parent.iterdir()) == [model]


def test_where_nothing_can_be_kept_the_model_itself_is_used(tmp_path: Path) -> None:
    def full_disk(graph: Path) -> None:
        raise OSError(28, "No space left on device")

    model = tmp_path / "model.onnx"
    model.write_text("model")
    assert optimized_graph(model, RUNTIME, full_disk) == model
    assert list(tmp_path.iterdir()) == [model]
