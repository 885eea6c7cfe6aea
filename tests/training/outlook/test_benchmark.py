import json
from pathlib import Path

import pytest

from tests.training.fakes import RecordedBars
from training.cli import main
from training.model import Architecture
from training.outlook.benchmark import Speeds, benchmark, drawn_split, speeds_text
from training.settings import Recipe

TINY = Architecture(classes=2, depths=(1,), width=2)
RECIPE = Recipe(batch_size=4, precision="float32", mixup=0.2)


def speeds(*, with_data: bool) -> Speeds:
    split = drawn_split(2, images=32) if with_data else None
    return benchmark(RECIPE, split, RecordedBars(), architecture=TINY, windows=3, seconds=0.05)


def test_each_part_is_measured_by_itself() -> None:
    measured = speeds(with_data=True)
    assert measured.real_data is not None
    for part in (measured.input_pipeline, measured.synthetic_data, measured.real_data):
        assert len(part.windows) == 3
        assert min(part.windows) > 0
    lines = speeds_text(measured).splitlines()
    assert lines[0] == str(measured.machine)
    assert lines[1] == "stem imagenet, 4 images a step, float32, 64×64 pixels, deterministic"
    assert [line[:22].strip() for line in lines[2:]] == [
        "input pipeline alone",
        "training, one batch",
        "training, real data",
    ]


def test_without_data_only_what_is_drawn_is_measured() -> None:
    measured = speeds(with_data=False)
    assert measured.real_data is None
    assert "real data" not in speeds_text(measured)


def test_the_command_measures_a_recipe_on_a_data_set(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(drawn), "--cache", str(tmp_path), "--batch-size", "2"]
    assert main(["benchmark", *options, "--windows", "1", "--seconds", "0.1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"]["batch_size"] == 2
    assert told["real_data"]["windows"][0] > 0
    assert "tensorflow" in told["machine"]["versions"]


@pytest.mark.parametrize("options", [["--windows", "0"], ["--seconds", "0"], ["--seconds", "nan"]])
def test_windows_that_measure_nothing_are_refused(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", *options]) == 2
    assert "--windows takes 1 or more" in capsys.readouterr().err
