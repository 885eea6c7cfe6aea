"""The translation to ONNX as a process: what it says when it fails, and when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.strangers import write_module
from tests.training.running import ROOT
from training.errors import ExportError
from training.translation import translate

PROGRAM = """
import sys
from pathlib import Path
from training.translation import translate

translate(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_failed_translation_says_why(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"translation to ONNX failed: .*SavedModel"):
        translate(tmp_path, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_translator_ends_with_whoever_asked_for_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    paths = [str(write_module(tmp_path / "model")), str(tmp_path / "model.onnx")]
    command = [sys.executable, "-c", PROGRAM, *paths]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        children = psutil.Process(process.pid).children
        (translator,) = eventually(children, within_s=30, what="a translator")
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
    eventually(lambda: not translator.is_running(), within_s=10, what="the translator's end")
    assert not (tmp_path / "model.onnx").exists()
    if number == signal.SIGTERM:
        assert "stopped by SIGTERM while translating to ONNX" in said
