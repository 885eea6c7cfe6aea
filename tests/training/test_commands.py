"""Commands on run folders that nothing was trained for."""

from pathlib import Path

import msgspec
import pytest

from model_store import open_store
from tests.tiny_model import write_version
from tests.training.made_up_run import RESULT, SCORES, SETTINGS
from training.classes import write_classes
from training.cli import main
from training.data.layout import ClassName
from training.run.folder import RunFolder
from training.run.locking import lock


@pytest.fixture
def finished(tmp_path: Path) -> RunFolder:
    """A run that was finished and not published."""
    folder = RunFolder(tmp_path / "run")
    write_version(folder.export, 1)
    names = [ClassName(wnid=f"n{each:08}", label=f"c{each}", names="") for each in range(200)]
    write_classes(folder.export, tuple(names))
    folder.write_settings(SETTINGS)
    folder.write_result(RESULT)
    return folder


def test_an_export_of_a_run_is_measured_on_the_data_of_that_run_only(
    finished: RunFolder, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data", str(drawn), "--cache", str(tmp_path / "cache")]
    assert main(["export", str(finished.path), *where]) == 4
    assert "is a run of the data with digest dddddddddddd, not of" in capsys.readouterr().err
    assert finished.result() == RESULT


def test_a_run_that_another_process_works_on_is_not_published(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{tmp_path}/shelf"
    command = ["publish", str(finished.path), "--store", url]
    with lock(finished.lock, wait=False):
        assert main(command) == 4
    assert "another process is using this run folder" in capsys.readouterr().err
    assert open_store(url).catalog("resnet50").latest is None
    assert main(command) == 0
    assert [each.version for each in finished.publications()] == [1]


def test_a_worse_run_is_published_only_where_the_command_allows_it(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{tmp_path}/shelf"
    command = ["publish", str(finished.path), "--store", url]
    assert main(command) == 0
    open_store(url).label("resnet50", "production", 1)
    worse = msgspec.structs.replace(SCORES, top1=0.4)
    finished.write_result(msgspec.structs.replace(RESULT, variants={"model.onnx": worse}))
    assert main(command) == 7
    assert "10.00 points worse, 1 allowed" in capsys.readouterr().err
    assert main([*command, "--gate", "-1"]) == 2
    assert main([*command, "--gate", "10"]) == 0
    assert main([*command, "--allow-worse"]) == 0
    assert [each.version for each in finished.publications()] == [1, 2, 3]
