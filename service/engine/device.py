"""What models run on: the processor, or a GPU where there is one."""

from __future__ import annotations

import contextlib
import ctypes
import enum
from collections.abc import Callable
from dataclasses import dataclass


class Device(enum.StrEnum):
    """A kind of device, as settings and answers name it."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Hardware:
    """A kind of device and, where that is a GPU, how many of them there are."""

    device: Device
    gpus: int = 0

    def __str__(self) -> str:
        return f"{self.device}, {self.gpus} GPUs" if self.gpus > 1 else str(self.device)


class NoSuchDevice(Exception):
    """The device that was asked for isn't there; the message says what is missing."""


def choose_hardware(wanted: str, *, runtime_can: bool, gpus: Callable[[], int]) -> Hardware:
    """Return the hardware for `wanted`: "cpu", "cuda", or "auto" for GPUs where they can be used.

    `runtime_can` says whether ONNX Runtime was built for GPUs, `gpus` counts them. Raises
    NoSuchDevice when "cuda" was asked for and can't be had: nothing falls back unasked.
    """
    if wanted == Device.CPU:
        return Hardware(Device.CPU)
    missing, found = "", 0
    if not runtime_can:
        missing = "this ONNX Runtime was built without CUDA; install onnxruntime-gpu"
    elif (found := gpus()) < 1:
        missing = "the NVIDIA driver shows no GPU"
    if not missing:
        return Hardware(Device.CUDA, found)
    if wanted == Device.CUDA:
        raise NoSuchDevice(f"CUDA was asked for, but {missing}")
    return Hardware(Device.CPU)


def count_gpus() -> int:
    """Return how many GPUs the driver shows; 0 without a driver."""
    count = ctypes.c_int(0)
    with contextlib.suppress(OSError):
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) == 0:
            driver.cuDeviceGetCount(ctypes.byref(count))
    return count.value
