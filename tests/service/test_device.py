from __future__ import annotations

import pytest

from service.engine.device import Device, Hardware, NoSuchDevice, choose_hardware, count_gpus


@pytest.mark.parametrize(
    ("wanted", "runtime_can", "gpus", "hardware"),
    [
        ("auto", True, 1, Hardware(Device.CUDA, 1)),
        ("auto", True, 0, Hardware(Device.CPU)),
        ("auto", False, 1, Hardware(Device.CPU)),
        ("cpu", True, 1, Hardware(Device.CPU)),
        ("cuda", True, 2, Hardware(Device.CUDA, 2)),
    ],
)
def test_a_gpu_is_used_where_it_can_be_and_may_be(
    wanted: str, runtime_can: bool, gpus: int, hardware: Hardware
) -> None:
    assert choose_hardware(wanted, runtime_can=runtime_can, gpus=lambda: gpus) == hardware


@pytest.mark.parametrize(
    ("runtime_can", "gpus", "missing"), [(False, 1, "without CUDA"), (True, 0, "no GPU")]
)
def test_what_was_asked_for_is_never_replaced_in_silence(
    runtime_can: bool, gpus: int, missing: str
) -> None:
    with pytest.raises(NoSuchDevice, match=missing):
        choose_hardware("cuda", runtime_can=runtime_can, gpus=lambda: gpus)


def test_hardware_is_named_as_it_is_logged() -> None:
    several = [Hardware(Device.CPU), Hardware(Device.CUDA, 1), Hardware(Device.CUDA, 4)]
    assert [str(each) for each in several] == ["cpu", "cuda", "cuda, 4 GPUs"]


def test_counting_gpus_needs_no_driver() -> None:
    assert count_gpus() >= 0
