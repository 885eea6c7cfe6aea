"""A model that Hotshelf never trained is published with one command and served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from model_store import ModelStore
from tests.strangers import CLASSES, write_module, write_names
from tests.system.running import ROOT, service
from training.backend import tf

pytestmark = pytest.mark.system


def test_a_strangers_saved_model_is_served_under_its_classes(
    local_store: ModelStore, tmp_path: Path
) -> None:
    folder, names = write_module(tmp_path / "theirs"), write_names(tmp_path / "names.json")
    subprocess.run(
        [
            *(sys.executable, "-m", "model_store", "publish", folder),
            *("--classes", names, "--store", local_store.url),
        ],
        cwd=ROOT,
        check=True,
        timeout=200,
    )
    image = np.random.default_rng(3).integers(0, 256, (1, 64, 64, 3), np.uint8)
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    expected = serve(pixels=tf.constant(image))["scores"].numpy()
    with service(local_store.url, tmp_path / "run") as running:
        url = f"{running.url}/v1/models/resnet50:predict"
        answer = requests.post(url, json={"instances": image.tolist()}, timeout=20).json()
        best = running.predict().json()
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)
    assert len(best) == 5
    assert {each["label"] for each in best} <= {f"class {index}" for index in range(CLASSES)}
