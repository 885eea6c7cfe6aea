"""`python -m model_store publish FOLDER --classes FILE`: a SavedModel of other origin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from model_store import InvalidVersion, ModelStore, open_store
from model_store.conversion import check_convertible, check_environment
from tests.eventually import eventually
from tests.strangers import CLASSES, write_module, write_names
from training.backend import tf
from training.evaluation.variants import open_onnx

ROOT = Path(__file__).parents[2]
SERVICE_PYTHON = ROOT / ".venv" / "service" / "bin" / "python"
Publish = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def publish(local_url: str) -> Publish:
    """Run the command as people do; whatever happens, it is no traceback."""

    def publish(
        *arguments: object, python: str | Path = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [python, "-m", "model_store", "publish", *map(str, arguments), "--store", local_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert "Traceback" not in done.stderr
        return done

    return publish


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that says why; nothing else begins like it."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    return done.stderr.splitlines()[-1]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return write_names(tmp_path / "names.json")


def test_a_strangers_model_becomes_a_version_that_answers_as_it_did(
    publish: Publish, local_store: ModelStore, names: Path, tmp_path: Path
) -> None:
    folder = write_module(tmp_path / "theirs")
    done = publish(folder, "--classes", names, "--label", "canary")
    assert (done.returncode, done.stdout) == (0, "published resnet50 1, labelled canary\n")

    place = local_store.pull("resnet50", 1, tmp_path / "pulled")
    images = np.random.default_rng(9).integers(0, 256, (4, 64, 64, 3), np.uint8)
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    expected = serve(pixels=tf.constant(images))["scores"].numpy()
    np.testing.assert_allclose(open_onnx(place / "model.onnx")(images), expected, atol=1e-5)
    assert [each["label"] for each in json.loads((place / "classes.json").read_text())] == [
        f"class {index}" for index in range(CLASSES)
    ]
    manifest = local_store.manifest("resnet50", 1)
    assert manifest.lineage.mode == "imported"
    assert manifest.signature.inputs[0].name == "image"
    assert not list(tmp_path.glob("theirs/*.onnx")), "their folder stays as it was"


def test_a_model_that_does_not_fit_is_refused_in_the_converters_words(
    publish: Publish, names: Path, tmp_path: Path, local_url: str
) -> None:
    pixels = tf.TensorSpec((None, 64, 64, 3), tf.float32)
    folder = write_module(tmp_path / "theirs", takes=pixels)
    assert "how float32 pixels are to be scaled" in reason(publish(folder, "--classes", names))
    assert open_store(local_url).catalog("resnet50").next_version == 1, "no number was used up"


def test_options_of_the_conversion_arrive(publish: Publish, names: Path, tmp_path: Path) -> None:
    folder = write_module(tmp_path / "theirs")
    done = publish(folder, "--classes", names, "--signature", "other", "--output", "scores")
    assert "has no signature other; choose another with --signature" in reason(done)


def test_without_tensorflow_it_says_where_to_run_it(
    publish: Publish, names: Path, tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "saved_model.pb").write_bytes(b"")
    line = reason(publish(tmp_path / "theirs", "--classes", names, python=SERVICE_PYTHON))
    assert "needs tensorflow, tf2onnx, which" in line
    assert "run this again with .venv/training/bin/python" in line


def test_an_environment_that_has_everything_is_fine() -> None:
    check_environment(["json"])
    with pytest.raises(InvalidVersion, match=r"needs no_such_module, which .* hasn't"):
        check_environment(["json", "no_such_module"])


def test_a_folder_that_needs_no_conversion_or_cannot_have_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidVersion, match=r"holds no saved_model\.pb; name the folder"):
        check_convertible(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    check_convertible(tmp_path)
    (tmp_path / "model.onnx").touch()
    with pytest.raises(InvalidVersion, match=r"holds model\.onnx already; publish it as it is"):
        check_convertible(tmp_path)


@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_conversion_that_is_stopped_leaves_no_process_and_no_folder(
    names: Path, tmp_path: Path, local_url: str, number: signal.Signals
) -> None:
    folder, temporary = write_module(tmp_path / "theirs"), tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "model_store", "publish", folder),
            *("--classes", names, "--store", local_url),
        ],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "translating to ONNX" in line)
        began = psutil.Process(process.pid).children(recursive=True)
        assert list(temporary.glob("hotshelf-convert-*")), said
        process.send_signal(number)
        assert process.wait(10) == 128 + number
    # The converter, and unless the signal came before it, what it translates with.
    assert began
    # Their parents are gone, so that another process has to take note of their ends.
    eventually(lambda: not any(each.is_running() for each in began), within_s=10, what="their ends")
    assert list(temporary.glob("hotshelf-*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --data --classes is required"),
        (["--data", "d.json", "--classes", "c.json"], "not allowed with argument --data"),
        (["--data", "d.json", "--signature", "s"], "--signature is for --classes"),
    ],
)
def test_either_the_folder_is_ready_or_it_is_converted(
    publish: Publish, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in reason(publish(tmp_path, *arguments))
