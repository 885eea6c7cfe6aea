"""The command line as people use it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def training(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m training` in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failed command says, and check that it is one."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == errors[0]
    assert "Traceback" not in done.stderr
    return errors[0]


COMMANDS = ["data", "generate", "train", "benchmark", "export", "publish", "evaluate", "convert"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete_and_names_the_exit_codes(command: str, tmp_path: Path) -> None:
    done = training(command, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "exit codes:" in done.stdout
    assert "--debug" in done.stdout


def test_help_does_not_wait_for_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from training.parser import make_parser; make_parser().format_help(); "
        "import training.cli; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--data", "x", "--epochs", "0"], 2, "--epochs 0: expected"),
        (["train", "--preset", "none"], 2, "no preset none"),
        (["generate", "--out", "."], 2, "exists already"),
        (["data", "--from", "nowhere.zip"], 3, "nowhere.zip: no such file"),
        (["publish", "nowhere", "--store", "file:///tmp/x"], 4, "nowhere: not a run folder"),
        (["evaluate", "nowhere", "--data", "x"], 3, "x: no such file"),
        (["convert", "nowhere", "out", "--classes", "none.json"], 6, "No such file"),
        (["convert", "nowhere", ".", "--classes", "none.json"], 2, ".: exists already"),
        (["train"], 3, "no data: give --data"),
        (["train", "--data", "nowhere"], 3, "nowhere: no such file"),
        (["train", "--data", "tiny-imagenet-200"], 3, "make data"),
        (["train", "--data", "x", "--store", "ftp://x"], 7, "training didn't start"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = training(*arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in error_of(done)
    assert done.stdout == ""


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = training("data", "--from", "nowhere.zip", "--debug", folder=tmp_path)
    assert done.returncode == 3
    assert "Traceback" in done.stderr


def test_data_is_drawn_prepared_and_remembered_by_name(tmp_path: Path) -> None:
    size = ["--train-per-class", "1", "--val-per-class", "1"]
    drawn = training("generate", "--out", "drawn", *size, folder=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    prepared = training("data", "--from", "drawn", folder=tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    assert "200 training and 200 validation images" in prepared.stdout
    named = tmp_path / ".cache" / "data" / "tiny-imagenet-200"
    assert json.loads((named / "prepared.json").read_text())["train_images"] == 200
