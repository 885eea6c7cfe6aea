"""A search whose trials train nothing: they write what training would have written."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.training.fakes import RecordedBars
from training.errors import Interrupted, UsageError
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.search.command import search, train_apart
from training.search.outcome import training_s
from training.search.plan import read_plan
from training.settings import Job, job_from

PLAN = """
[all]
preset = "tiny-imagenet-cpu"
holdout = 0.1
max_steps = 40

[try.as-it-is]

[try.growing]
resolution = "32@0,64@0.5"
learning_rate = 1.0
"""
TOP1 = {"as-it-is": 0.11, "growing": 0.2}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "stems.toml"
    file.write_text(PLAN)
    return file


def lines_of_a_run(top1: float) -> list[TrainLine | EvalLine]:
    common = {"epoch": 1, "top1": top1, "learning_rate": 0.1, "images_a_step": 32}
    return [
        TrainLine(step=20, loss=5.0, images_per_s=64.0, **common),  # type: ignore[arg-type]
        TrainLine(step=40, loss=4.0, images_per_s=32.0, **common),  # type: ignore[arg-type]
        EvalLine(
            step=40, epoch=1, loss=4.5, top1=top1, top5=0.4, images=10, train_loss=4.2, train_top1=0
        ),
    ]


class Trainings:
    """Writes the log of a run and returns the trial's exit code."""

    def __init__(self, codes: dict[str, int] | None = None) -> None:
        self.codes = codes or {}
        self.arguments: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> int:
        self.arguments.append(arguments)
        (run,) = (Path(each[6:]) for each in arguments if each.startswith("--run="))
        code = self.codes.get(run.name, 0)
        if not code:
            run.mkdir(parents=True)
            log = MetricsLog(run / "metrics.jsonl")
            for line in lines_of_a_run(TOP1[run.name]):
                log.write(line)
        return code


def test_trials_are_ranked_and_logged_with_what_each_has_of_its_own(
    plan: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    trainings = Trainings()
    lines = search(read_plan(plan), tmp_path / "out", "stems", bars, train=trainings)
    assert [line.split(" | ")[0] for line in lines] == ["growing", "as-it-is"]
    assert "resolution 32@0,64@0.5, learning_rate 1" in lines[0]
    assert "20.00%" in lines[0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("growing") < page.index("as-it-is")
    assert page.count("<svg") == 2
    assert "http" not in page
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [each["evaluated"][0]["training_s"] for each in results] == [30.0, 30.0]
    for arguments in trainings.arguments:
        assert "--no-export" in arguments
        assert "--holdout=0.1" in arguments
        assert "--data=tiny-imagenet-200" in arguments
    assert bars.lines == ["trial 1 of 2: as-it-is", "trial 2 of 2: growing"]


def test_a_trial_that_fails_is_noted_and_the_others_follow(
    plan: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    trainings = Trainings({"as-it-is": 5})
    lines = search(read_plan(plan), tmp_path / "out", "stems", bars, train=trainings)
    assert lines[1].startswith("as-it-is | – | exit code 5")
    assert lines[0].startswith("growing")


def test_a_stopped_trial_ends_the_search_with_its_code(
    plan: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    trainings = Trainings({"as-it-is": 143})
    with pytest.raises(Interrupted, match="trial as-it-is") as caught:
        search(read_plan(plan), tmp_path / "out", "stems", bars, train=trainings)
    assert caught.value.exit_code == 143
    assert len(trainings.arguments) == 1


def test_what_a_preset_makes_of_an_export_is_not_asked_of_trials(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('variants = "int8"\nholdout = 0.1\n')
    file = tmp_path / "plan.toml"
    file.write_text(f'[all]\npreset = "{preset}"\n[try.a]\n')
    (trial,) = read_plan(file)
    assert job_from({"export": trial.job.export, "variants": trial.job.variants}) == Job(
        export=False
    )


@pytest.mark.parametrize(
    ("told", "code"),
    [
        pytest.param("", 143, id="it dies of the signal while it starts"),
        pytest.param("trap 'exit 0' TERM; ", 143, id="it is done already"),
        pytest.param("trap 'exit 143' TERM; ", 143, id="it writes a checkpoint"),
    ],
)
def test_a_signal_ends_the_search_whatever_the_trial_makes_of_it(
    tmp_path: Path, told: str, code: int
) -> None:
    begun = tmp_path / "begun"
    script = f"{told}echo > {begun}; while :; do sleep 0.05; done"

    def tell() -> None:
        eventually(begun.exists, within_s=30, what="the trial's process")
        os.kill(os.getpid(), signal.SIGTERM)

    telling = threading.Thread(target=tell)
    telling.start()
    assert train_apart([], program=["bash", "-c", script]) == code
    telling.join()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not toml", "not toml|Expected"),
        ("[all]\nholdout = 0.1", r"needed are \[all\] and a \[try.NAME\]"),
        ("[some]\n[try.a]\nholdout = 0.1", "has some"),
        ("[try.a]", "give a holdout"),
        ("[try.a]\nholdout = 0.1\nspeed = 3", "unknown settings: speed"),
        ("[try.a]\nholdout = 0.1\nepochs = 0", r"\[try.a\]: --epochs 0"),
        ('[try."../a"]\nholdout = 0.1', "names are made of"),
        ('[try.a]\nholdout = 0.1\nstore = "file:///x"', "aren't for trials|leaves nothing"),
    ],
)
def test_a_plan_that_cannot_be_tried_is_refused_before_the_first_trial(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_plan(file)


@pytest.mark.parametrize(
    ("step", "seconds"), [(0, 0.0), (10, 5.0), (20, 10.0), (30, 20.0), (50, 40.0)]
)
def test_time_is_counted_at_the_pace_that_the_log_has(step: int, seconds: float) -> None:
    lines = [line for line in lines_of_a_run(0.1) if isinstance(line, TrainLine)]
    assert training_s(lines, step) == pytest.approx(seconds)
