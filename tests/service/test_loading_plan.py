from __future__ import annotations

import pytest

from service.engine.device import Device, Hardware
from service.engine.loading import LoadingPlan
from service.settings import Settings, usable_cores


def test_a_processor_runs_a_small_batch_on_every_core() -> None:
    plan = LoadingPlan.of(Settings(), Hardware(Device.CPU))
    assert (plan.lanes, plan.max_batch) == (usable_cores(), 16)


def test_every_gpu_computes_a_large_batch_while_the_next_one_travels() -> None:
    plan = LoadingPlan.of(Settings(), Hardware(Device.CUDA, gpus=3))
    assert (plan.lanes, plan.max_batch) == (6, 128)


@pytest.mark.parametrize("hardware", [Hardware(Device.CPU), Hardware(Device.CUDA, gpus=3)])
def test_what_the_settings_say_goes(hardware: Hardware) -> None:
    plan = LoadingPlan.of(Settings(lanes=5, max_batch=7), hardware)
    assert (plan.lanes, plan.max_batch) == (5, 7)
