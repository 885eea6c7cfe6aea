"""Public clients, unmodified, from an environment of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from imaging import decode_image
from tests.system.running import jpeg
from tests.system.two_versions import (
    ADMIN_TOKEN,
    CLIENTS,
    CLIENTS_PYTHON,
    TwoVersions,
    two_versions,
)

pytestmark = pytest.mark.system

IMAGE = jpeg(3)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoVersions]:
    with two_versions(tmp_path_factory.mktemp("clients")) as found:
        yield found


def run(program: str, *arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [CLIENTS_PYTHON, CLIENTS / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def triton(running: TwoVersions, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tritonclient found."""
    folder = tmp_path_factory.mktemp("images")
    image, pixels = folder / "image.jpg", folder / "image.raw"
    image.write_bytes(IMAGE)
    pixels.write_bytes(decode_image(IMAGE).tobytes())
    return run("triton.py", running.url, image, pixels, ADMIN_TOKEN)


def test_tritonclient_gets_the_probabilities_in_every_form(
    running: TwoVersions, triton: dict[str, Any]
) -> None:
    expected = running.probabilities(IMAGE)
    assert len(triton["probabilities"]) == 8
    for way, found in triton["probabilities"].items():
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7, err_msg=way)
    np.testing.assert_allclose(
        triton["version 1"], running.probabilities(IMAGE, 1), rtol=1e-5, atol=1e-7
    )


def test_tritonclient_sees_who_is_ready(triton: dict[str, Any]) -> None:
    seen = [triton[name] for name in ("live", "ready", "model_ready", "version_ready")]
    assert seen == [True] * 4
    assert triton["unknown_ready"] is False


def test_tritonclient_reads_what_server_and_model_are(triton: dict[str, Any]) -> None:
    assert triton["server"]["name"] == "hotshelf"
    assert triton["metadata"]["versions"] == ["1", "2"]
    assert triton["metadata"]["outputs"][0]["shape"] == [-1, 200]
    assert triton["config"]["input"][0]["format"] == "FORMAT_NHWC"


def test_tritonclient_gets_classes(running: TwoVersions, triton: dict[str, Any]) -> None:
    expected = running.probabilities(IMAGE)
    assert len(triton["classified"]) == 3
    for text, index in zip(triton["classified"], np.argsort(-expected), strict=False):
        value, number, label = text.split(":")
        assert (int(number), label) == (index, f"class {index}")
        assert float(value) == pytest.approx(expected[index], rel=1e-5)


def test_tritonclient_gets_its_id_and_parameters_back(triton: dict[str, Any]) -> None:
    assert (triton["id"], triton["parameters"]) == ("seven", {"camera": "north"})


def test_tritonclient_reads_the_counters(triton: dict[str, Any]) -> None:
    stats = {each["version"]: each for each in triton["statistics"]["model_stats"]}
    assert stats["1"]["inference_stats"]["success"]["count"] == 1
    assert stats["2"]["inference_stats"]["success"]["count"] >= 10
    assert stats["2"]["inference_stats"]["compute_infer"]["ns"] > 0
    assert {each["version"] for each in triton["all_statistics"]["model_stats"]} == {"1", "2"}


def test_tritonclient_sees_and_changes_the_repository(triton: dict[str, Any]) -> None:
    assert [(each["version"], each["state"]) for each in triton["index"]] == [
        ("1", "READY"),
        ("2", "READY"),
    ]
    assert triton["no_token"][0] == "401"
    assert triton["loaded"] is None


def test_tritonclient_understands_the_errors(triton: dict[str, Any]) -> None:
    assert triton["unknown_model"][0] == triton["unknown_version"][0] == "404"
    assert "resnet50" in triton["unknown_model"][1]
    assert "9" in triton["unknown_version"][1]


def test_hugging_faces_client_classifies(running: TwoVersions, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(IMAGE)
    found = run("hugging_face.py", running.url, path)
    expected = running.probabilities(IMAGE)
    for way, lines in found.items():
        best = np.argsort(-expected)[: 3 if way == "the best three" else 5]
        assert [label for label, _ in lines] == [f"class {index}" for index in best], way
        np.testing.assert_allclose([score for _, score in lines], expected[best], rtol=1e-5)


def test_a_request_as_tensorflow_servings_pages_write_it(running: TwoVersions) -> None:
    # As in its REST tutorial: a JSON text with a signature's name, posted as such.
    data = json.dumps(
        {"signature_name": "serving_default", "instances": [decode_image(IMAGE).tolist()] * 2}
    )
    response = requests.post(
        f"{running.url}/v1/models/resnet50:predict",
        data=data,
        headers={"content-type": "application/json"},
        timeout=20,
    )
    predictions = json.loads(response.text)["predictions"]
    np.testing.assert_allclose(
        predictions, [running.probabilities(IMAGE)] * 2, rtol=1e-5, atol=1e-7
    )
