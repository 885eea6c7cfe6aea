import json
from pathlib import Path

import msgspec
import pytest

from tests.training.fakes import RecordedBars
from training.errors import RunFolderError
from training.evaluation.evaluate import Scores
from training.position import Position
from training.run.choice import choose
from training.run.folder import (
    Publication,
    Result,
    RunFolder,
    RunSettings,
    begin_or_resume,
    check_same_run,
)
from training.run.locking import Locked, lock
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.settings import Job, Recipe

SETTINGS = RunSettings(
    mode="single",
    world_size=1,
    data_digest="0" * 64,
    recipe=Recipe(precision="float32"),
    code_version="abc",
    host="here",
    started_at="2026-01-01T00:00:00+00:00",
)
RESULT = Result(
    step=3,
    finished_at="2026-01-01T01:00:00+00:00",
    variants={"model.onnx": Scores(images=10, loss=1.0, top1=0.5, top5=0.9)},
    max_difference=0.0,
    agreement=1.0,
)


def changed(**fields: object) -> RunSettings:
    return msgspec.structs.replace(SETTINGS, **fields)


def test_records_are_read_back_as_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert (folder.settings(), folder.result(), folder.publications()) == (None, None, [])
    folder.write_settings(SETTINGS)
    folder.write_result(RESULT)
    folder.add_publication(Publication("file:///a", "m", 1))
    folder.add_publication(Publication("file:///b", "m", 4))
    assert folder.settings() == SETTINGS
    assert folder.result() == RESULT
    assert [item.version for item in folder.publications()] == [1, 4]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"settings\.json"):
        RunFolder(tmp_path).settings()


def test_a_run_is_the_same_wherever_and_whenever_it_goes_on(tmp_path: Path) -> None:
    check_same_run(tmp_path, SETTINGS, changed(host="there", started_at="later"))


def test_a_run_that_other_code_goes_on_with_says_so_and_remembers_it(
    tmp_path: Path, bars: RecordedBars
) -> None:
    folder = RunFolder(tmp_path / "run")
    assert begin_or_resume(folder, SETTINGS, bars) == SETTINGS
    assert begin_or_resume(folder, SETTINGS, bars) == SETTINGS
    assert bars.lines == [f"run folder: {folder.path}"]
    for code in ("def", "def", "abc"):
        begin_or_resume(folder, changed(code_version=code), bars)
    settings = folder.settings()
    assert settings is not None
    assert settings.code_versions == ("abc", "def", "abc")
    assert bars.lines[1:] == [
        "going on with code def; what this run has done so far is of code abc",
        "going on with code abc; what this run has done so far is of code def",
    ]
    folder.write_result(RESULT)
    assert begin_or_resume(folder, changed(code_version="new"), bars) == settings


def test_settings_of_before_code_was_remembered_are_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_settings(SETTINGS)
    facts = json.loads((tmp_path / "settings.json").read_text())
    del facts["resumed_with"]
    (tmp_path / "settings.json").write_text(json.dumps(facts))
    assert folder.settings() == SETTINGS


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (changed(recipe=Recipe(precision="float32", epochs=11)), "epochs 10 → 11"),
        (changed(data_digest="f" * 64), "data 000000000000 → ffffffffffff"),
        (changed(world_size=2), "devices 1 → 2"),
    ],
)
def test_another_run_is_refused_with_what_differs(
    tmp_path: Path, other: RunSettings, message: str
) -> None:
    with pytest.raises(RunFolderError, match=message):
        check_same_run(tmp_path, SETTINGS, other)


def test_one_process_at_a_time_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "run.lock"
    with lock(path, wait=False), pytest.raises(Locked), lock(path, wait=False):
        pass
    with lock(path, wait=False):
        assert path.exists()


def test_without_a_name_an_unfinished_run_goes_on_and_a_finished_one_is_left_alone(
    tmp_path: Path,
) -> None:
    def chosen(job: Job | None = None, recipe: Recipe | None = None, digest: str = "0" * 64) -> str:
        found = choose(
            "quick", job or Job(), recipe or Recipe(), runs=tmp_path, digest=lambda _: digest
        )
        return found.name

    assert chosen() == "quick-1"
    RunFolder(tmp_path / "quick-1").write_settings(SETTINGS)
    assert chosen() == "quick-1"
    assert chosen(recipe=Recipe(epochs=99)) == "quick-2"
    assert chosen(digest="f" * 64) == "quick-2"
    assert chosen(Job(mode="ps", workers=1)) == "quick-2"
    RunFolder(tmp_path / "quick-2").write_settings(changed(mode="horovod", world_size=2))
    assert chosen(Job(mode="horovod", processes=2)) == "quick-2"
    assert chosen(Job(mode="horovod", processes=3)) == "quick-3"
    RunFolder(tmp_path / "quick-1").write_result(RESULT)
    assert chosen() == "quick-3"


def test_the_data_of_a_run_without_a_name_is_prepared_only_where_it_decides(
    tmp_path: Path,
) -> None:
    def never(job: Job) -> str:
        raise AssertionError(job.data)

    RunFolder(tmp_path / "quick-1").write_settings(SETTINGS)
    other = Recipe(epochs=99)
    assert choose("quick", Job(), other, runs=tmp_path, digest=never) == tmp_path / "quick-2"


def train_line(step: int) -> TrainLine:
    return TrainLine(step=step, epoch=1, loss=1.0, top1=0.1, learning_rate=0.1, images_per_s=50.0)


def eval_line(step: int) -> EvalLine:
    return EvalLine(
        step=step, epoch=1, loss=1.0, top1=0.1, top5=0.2, images=9, train_loss=1.0, train_top1=0.1
    )


def test_a_resumed_run_rewrites_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=lambda: 0.0)
    for line in (train_line(20), eval_line(30), train_line(40), eval_line(60)):
        log.write(line)
    log.rewind(Position(step=60, evaluated_step=30))
    assert log.lines() == [train_line(20), eval_line(30), train_line(40)]
    log.rewind(Position(step=30, evaluated_step=30))
    assert log.lines() == [train_line(20), eval_line(30)]


def test_a_line_that_was_cut_off_by_a_kill_is_forgotten(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=lambda: 0.0)
    log.write(train_line(20))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind":"train","st')
    log.rewind(Position(step=30))
    log.write(train_line(40))
    assert log.lines() == [train_line(20), train_line(40)]
