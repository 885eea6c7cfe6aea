"""What is installed where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.running import ROOT, SERVICE_PYTHON

pytestmark = pytest.mark.system

IMPORT_ALL = """
import importlib, importlib.util, json, pkgutil, sys
import service
for each in pkgutil.walk_packages(service.__path__, "service."):
    if not each.name.endswith("__main__") and each.name != "service.gunicorn_conf":
        importlib.import_module(each.name)
heavy = ["tensorflow", "keras", "horovod", "training", "tf2onnx"]
print(json.dumps({
    "installed": [each for each in heavy[:3] if importlib.util.find_spec(each)],
    "imported": [each for each in heavy if each in sys.modules],
}))
"""


def test_the_services_environment_has_no_tensorflow_and_needs_none() -> None:
    done = subprocess.run(
        [SERVICE_PYTHON, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"installed": [], "imported": []}


def test_horovod_is_built_for_tensorflow_and_gloo() -> None:
    horovodrun = Path(sys.executable).with_name("horovodrun")
    done = subprocess.run(
        [horovodrun, "--check-build"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "[X] TensorFlow" in done.stdout
    assert done.stdout.count("[X] Gloo") == 2, "as controller and for tensors"


def test_two_ranks_reduce_a_tensor_to_its_mean() -> None:
    horovodrun = Path(sys.executable).with_name("horovodrun")
    program = Path(__file__).parent.parent / "programs" / "all_reduce.py"
    done = subprocess.run(
        [horovodrun, "-np", "2", "--gloo", sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = sorted(
        line.split("answer: ", 1)[1] for line in done.stdout.splitlines() if "answer: " in line
    )
    assert answers == ["rank 0 of 2 has [1.5, 15.0]", "rank 1 of 2 has [1.5, 15.0]"]


def test_no_requirement_file_names_an_index_and_all_are_hashed() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--index")], path
        names = [line for line in lines if "==" in line and not line.startswith("#")]
        assert names, path
        assert all(line.endswith("\\") for line in names), f"{path}: a requirement without a hash"
