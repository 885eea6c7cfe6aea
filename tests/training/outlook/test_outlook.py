"""What `train --dry-run` tells, with the numbers worked out by hand."""

import json
from pathlib import Path

import pytest

from training.cli import main
from training.modes.spread import Spread, spread_of
from training.outlook.cost import ModelCost
from training.outlook.outlook import memory_of
from training.settings import Job, Recipe

COST = ModelCost(
    parameters=1000,
    trainable_parameters=900,
    forward_macs=10,
    backward_macs=20,
    activation_bytes=70_000,
)


def test_memory_grows_with_the_batch_and_with_what_is_kept_beside_the_weights() -> None:
    plain = memory_of(Recipe(batch_size=1, momentum=0.0), COST)
    assert (plain.weights, plain.gradients, plain.optimizer, plain.average) == (4000, 3600, 0, 0)
    assert plain.checkpoint == 4000
    full = memory_of(Recipe(batch_size=10, ema=0.9), COST)
    assert (full.optimizer, full.average, full.checkpoint) == (3600, 4000, 11_600)
    assert full.activations == 10 * plain.activations >= 10 * COST.activation_bytes
    assert full.total == sum(getattr(full, name) for name in full.__struct_fields__)


@pytest.mark.parametrize(
    ("job", "spread"),
    [
        (Job(), Spread(devices=1, hosts=1, parts=1)),
        (Job(mode="horovod", processes=3), Spread(devices=3, hosts=1, parts=3)),
        (Job(mode="horovod-cluster", hosts="a:2,b:2"), Spread(devices=4, hosts=2, parts=4)),
        (Job(mode="ps", workers=3, servers=2), Spread(devices=3, hosts=1, parts=1)),
    ],
)
def test_the_settings_say_over_how_much_a_job_is_spread(job: Job, spread: Spread) -> None:
    assert spread_of(job) == spread


def test_an_elastic_job_is_spread_over_as_many_devices_as_it_may_have(tmp_path: Path) -> None:
    program = tmp_path / "hosts.sh"
    program.write_text("#!/bin/sh\necho a:2\necho b:2\n")
    program.chmod(0o755)
    job = Job(mode="horovod-cluster", elastic=True, discovery=str(program), max=8)
    assert spread_of(job) == Spread(devices=8, hosts=2, parts=8)


def test_a_dry_run_tells_the_plan_and_leaves_nothing(
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--data", str(drawn), "--batch-size", "8", "--epochs", "3", "--warmup", "0.2"]
    assert main(["train", "--dry-run", "--json", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["plan"]["steps_per_epoch"] == 200 // 8
    assert told["plan"]["total_steps"] == 75
    assert told["schedule"] == {"peak": 0.4 * 8 / 256, "warmup_steps": 15, "total_steps": 75}
    assert told["recipe"]["precision"] in ("float32", "mixed_bfloat16")
    assert told["model"]["forward_macs"] == pytest.approx(0.315e9, rel=0.01)
    assert told["guess"]["training_s"] == pytest.approx(600 / told["guess"]["images_per_s"])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_in_words_has_every_setting(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(drawn), "--cache", str(tmp_path), "--batch-size", "8"]
    assert main(["train", "--dry-run", "--mode", "horovod", "--processes", "2", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  images a step      16: 8 on 2 devices at once" in lines
    names = {line.split()[0] for line in lines if line.startswith("  ")}
    for kind in (Recipe, Job):
        assert {name.replace("_", "-") for name in kind.__struct_fields__} <= names


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--batch-size", "500"], (3, "200 training images don't fill a batch of 500")),
        (["--mode", "horovod"], (2, "--processes")),
        (["--xla"], (2, "--no-deterministic")),
        (["--mode", "ps", "--workers", "2", "--xla"], (2, "--xla: XLA can't read variables")),
        (["--freeze", "backbone"], (2, "give --init-from as well")),
        (["--mode", "horovod-cluster", "--elastic"], (2, "--elastic needs --discovery")),
        (
            ["--mode=horovod-cluster", "--elastic", "--max=2", "--discovery=/nowhere/x"],
            (2, "--discovery /nowhere/x: "),
        ),
    ],
)
def test_a_dry_run_refuses_what_a_run_would_refuse(
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    refusal: tuple[int, str],
) -> None:
    code, message = refusal
    where = ["--data", str(drawn), "--cache", str(tmp_path)]
    assert main(["train", "--dry-run", *where, *options]) == code
    assert message in capsys.readouterr().err


def test_json_without_a_dry_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "generated", "--json"]) == 2
    assert "--dry-run" in capsys.readouterr().err
