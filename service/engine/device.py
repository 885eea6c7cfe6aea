"""What models run on: the processor, or a GPU where there is one."""

from __future__ import annotations

import contextlib
import ctypes
import enum
from collections.abc import Callable


class Device(enum.StrEnum):
    """A kind of device, as settings and answers name it."""

    CPU = "cpu"
    CUDA = "cuda"


class NoSuchDevice(Exception):
    """The device that was asked for isn't there; the message says what is missing."""


def choose_device(wanted: str, *, runtime_can: bool, gpus: Callable[[], int]) -> Device:
    """Return the device for `wanted`: "cpu", "cuda", or "auto" for a GPU where one can be used.

    `runtime_can` says whether ONNX Runtime was built for GPUs, `gpus` counts them. Raises
    NoSuchDevice when "cuda" was asked for and can't be had: nothing falls back unasked.
    """
    if wanted == Device.CPU:
        return Device.CPU
    missing = ""
    if not runtime_can:
        missing = "this ONNX Runtime was built without CUDA; install onnxruntime-gpu"
    elif gpus() < 1:
        missing = "the NVIDIA driver shows no GPU"
    if not missing:
        return Device.CUDA
    if wanted == Device.CUDA:
        raise NoSuchDevice(f"CUDA was asked for, but {missing}")
    return Device.CPU


def count_gpus() -> int:
    """Return how many GPUs the driver shows; 0 without a driver."""
    count = ctypes.c_int(0)
    with contextlib.suppress(OSError):
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) == 0:
            driver.cuDeviceGetCount(ctypes.byref(count))
    return count.value
