"""What training with two workers and two servers does to the variables, and how they are read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).parent / "programs" / "parameter_servers.py"
STEPS = 60

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the program printed after training."""
    logs = tmp_path_factory.mktemp("servers") / "logs"
    environment = {name: text for name, text in os.environ.items() if name != "TF_CONFIG"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(logs)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout.splitlines()[-1])


def test_the_loss_falls_and_every_step_is_trained_exactly_once(facts: Any) -> None:
    losses = facts["losses"]
    assert len(losses) == facts["updates"] == STEPS
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_weights_momentum_average_and_statistics_all_move(facts: Any) -> None:
    moved = set(facts["moved"])
    for name in (
        "model/conv1_conv/kernel",
        "model/logits/bias",
        "model/conv1_bn/moving_mean",
        "model/conv1_bn/moving_variance",
        "optimizer/sgd/conv1_conv_kernel_momentum",
        "average/conv1_conv/kernel",
        "average/conv1_bn/moving_mean",
    ):
        assert name in moved


def test_evaluation_with_the_statistics_is_right_about_what_was_learnt(facts: Any) -> None:
    assert facts["accuracy"] == 1.0


def test_evaluation_reads_the_servers_once_into_a_copy_that_stays_the_same(facts: Any) -> None:
    assert facts["copy_is_here"]
    assert facts["copy_is_the_same"]
    assert facts["copy_has_the_weights"]


def test_checkpoints_of_variables_on_servers_can_be_taken_and_restored(facts: Any) -> None:
    assert facts["restored"]


def test_servers_hold_equal_parts_and_what_is_updated_together_is_together(facts: Any) -> None:
    first, second = facts["servers"]["held"].values()
    assert 0.5 < first / second < 2.0
    assert facts["servers"]["apart"] == []
