"""What `--precision auto` stands for on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from training.settings import Precision

ComputePrecision = Literal["float32", "mixed_bfloat16"]

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def resolve(
    precision: Precision, *, has_gpu: bool, cpuinfo: Path = Path("/proc/cpuinfo")
) -> ComputePrecision:
    """Return the precision itself, or for `auto` mixed_bfloat16 where the device gains from it.

    GPUs do; processors only with instructions for it, without which it is emulated, several times
    slower than float32.
    """
    if precision != "auto":
        return precision
    if has_gpu:
        return "mixed_bfloat16"
    try:
        flags = set(cpuinfo.read_text().split())
    except OSError:
        return "float32"
    return "mixed_bfloat16" if flags & _BFLOAT16_FLAGS else "float32"
