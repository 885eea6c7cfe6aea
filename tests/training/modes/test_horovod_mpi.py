"""Ranks that meet over MPI: refused where Horovod has none, as good as over Gloo elsewhere."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_store import open_store
from tests.eventually import eventually
from tests.namespaces import connected_hosts, needs_hosts, ssh_between
from training.errors import UsageError
from training.modes.horovod_mpi import check_mpi
from training.run.checkpoints import Checkpoints

ROOT = Path(__file__).parents[3]
RECIPE = ["--epochs", "2", "--steps-per-epoch", "6", "--batch-size", "4", "--seed", "5"]
RECIPE += ["--precision", "float32", "--checkpoint-every", "1"]
START_S = 240
STOP_S = 30

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def refusal() -> str | None:
    """Why ranks can't meet over MPI here; None when they can."""
    try:
        check_mpi()
    except UsageError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def mpi() -> None:
    """Skip what needs MPI where there is none."""
    refused = refusal()
    if refused is not None:
        pytest.skip(refused)


def fake_mpirun(folder: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the path lead to an mpirun that knows one answer, and to nothing else."""
    program = folder / "mpirun"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_machine_without_mpi_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"no mpirun on the path; on Debian: apt-get install"):
        check_mpi()


def test_another_mpi_than_open_mpi_is_refused_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_mpirun(tmp_path, "HYDRA build details:", monkeypatch)
    with pytest.raises(UsageError, match=r"needs Open MPI; .* says HYDRA build details:"):
        check_mpi()


def test_a_horovod_that_was_built_without_mpi_is_refused_with_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_mpirun(tmp_path, "mpirun (Open MPI) 4.1.4", monkeypatch)
    refused = refusal()
    if refused is None:
        pytest.skip("Horovod was built with MPI here")
    assert "built here without MPI; `python tools/build_horovod.py --mpi`" in refused


@contextmanager
def started(
    folder: Path, data: Path, *arguments: str, before: list[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command that trains over MPI; `before` is what runs it on a host of its own."""
    command = [sys.executable, "-m", "training", "train", "--controller", "mpi", "--run", "run"]
    command += ["--data", str(data), "--cache", str(folder / "cache"), *RECIPE, *arguments]
    process = subprocess.Popen(
        [*(before or []), *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ranks_of(folder: Path) -> dict[int, psutil.Process]:
    """The processes that train in this folder, by the numbers of their ranks."""
    ranks = {}
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                ranks[int(process.environ()["OMPI_COMM_WORLD_RANK"])] = process
        except (psutil.Error, KeyError):
            continue
    return ranks


def last_step(folder: Path) -> int:
    return max(Checkpoints(folder / "run" / "checkpoints").steps(), default=0)


def reach(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    def reached() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return last_step(folder) >= step

    eventually(reached, within_s=START_S, what=f"a checkpoint of step {step}")


def nobody_trains(folder: Path) -> None:
    eventually(lambda: not ranks_of(folder), within_s=STOP_S, what="an end of all ranks")


def goes_through_all(folder: Path, data: Path, arguments: list[str], before: list[str]) -> str:
    """Stop a run, kill its rank 1, kill its launcher, let it end; return what the last one said."""
    with started(folder, data, *arguments, before=before) as process:
        reach(process, folder, 1)
        assert set(ranks_of(folder)) == {0, 1}
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "stopped by SIGTERM after step" in output.splitlines()[-1]
    nobody_trains(folder)

    with started(folder, data, *arguments, before=before) as process:
        reach(process, folder, last_step(folder) + 1)
        ranks_of(folder)[1].kill()
        output, _ = process.communicate(timeout=STOP_S)
    assert process.returncode == 8, output
    assert "resuming after step" in output
    assert output.count("error: ") == 1
    assert "error: rank 1 on " in output.splitlines()[-1]
    assert "was killed by SIGKILL" in output.splitlines()[-1]
    nobody_trains(folder)

    with started(folder, data, *arguments, before=before) as process:
        reach(process, folder, last_step(folder) + 1)
        process.kill()
        nobody_trains(folder)

    store = f"file://{folder}/shelf"
    with started(folder, data, *arguments, "--store", store, before=before) as process:
        output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 0, output
    assert open_store(store).manifest("resnet50", 1).lineage.world_size == 2
    return output


def test_two_ranks_publish_after_a_stop_a_lost_rank_and_a_lost_launcher(
    mpi: None, tmp_path: Path, drawn: Path
) -> None:
    arguments = ["--mode", "horovod", "--processes", "2"]
    output = goes_through_all(tmp_path, drawn, arguments, before=[])
    assert output.count("published resnet50 version 1") == 1
    for noise in ("[1,0]", "<stderr>", "mpirun", "WARNING", "cpu_feature_guard"):
        assert noise not in output


@needs_hosts
def test_two_hosts_publish_after_a_stop_a_lost_rank_and_a_lost_launcher(
    mpi: None, tmp_path: Path, drawn: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    with connected_hosts(2) as (here, there), ssh_between([here, there], keys) as ssh:
        arguments = ["--mode", "horovod-cluster", "--ssh", shlex.join(ssh)]
        arguments += ["--hosts", f"{here.address}:1,{there.address}:1"]
        output = goes_through_all(tmp_path, drawn, arguments, before=here.command([]))
        assert output.count("published resnet50 version 1") == 1

        (keys / "authorized_keys").write_text("")
        with started(tmp_path, drawn, *arguments, before=here.command([])) as process:
            output, _ = process.communicate(timeout=STOP_S)
        assert process.returncode == 8, output
        assert f"error: {there.address} can't be reached" in output.splitlines()[-1]
        assert "Permission denied" in output.splitlines()[-1]


def test_an_error_of_all_ranks_keeps_its_exit_code_and_is_said_once(
    mpi: None, tmp_path: Path, drawn: Path
) -> None:
    arguments = ["--mode", "horovod", "--processes", "2", "--learning-rate", "1e38"]
    with started(tmp_path, drawn, *arguments) as process:
        output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 5, output
    assert output.count("error: ") == 1
    assert "error: the loss is " in output.splitlines()[-1]
