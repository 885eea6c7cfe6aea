from __future__ import annotations

import pytest

from service.engine.device import Device, NoSuchDevice, choose_device, count_gpus


@pytest.mark.parametrize(
    ("wanted", "runtime_can", "gpus", "device"),
    [
        ("auto", True, 1, Device.CUDA),
        ("auto", True, 0, Device.CPU),
        ("auto", False, 1, Device.CPU),
        ("cpu", True, 1, Device.CPU),
        ("cuda", True, 2, Device.CUDA),
    ],
)
def test_a_gpu_is_used_where_it_can_be_and_may_be(
    wanted: str, runtime_can: bool, gpus: int, device: Device
) -> None:
    assert choose_device(wanted, runtime_can=runtime_can, gpus=lambda: gpus) is device


@pytest.mark.parametrize(
    ("runtime_can", "gpus", "missing"), [(False, 1, "without CUDA"), (True, 0, "no GPU")]
)
def test_what_was_asked_for_is_never_replaced_in_silence(
    runtime_can: bool, gpus: int, missing: str
) -> None:
    with pytest.raises(NoSuchDevice, match=missing):
        choose_device("cuda", runtime_can=runtime_can, gpus=lambda: gpus)


def test_counting_gpus_needs_no_driver() -> None:
    assert count_gpus() >= 0
