from __future__ import annotations

import pytest

from service.engine.device import Device
from service.engine.variants import choose_variant

FP32, INT8, FP16 = "model.onnx", "model.int8.onnx", "model.fp16.onnx"


def measured(**top1: float) -> dict[str, dict[str, float]]:
    names = {"fp32": FP32, "int8": INT8, "fp16": FP16}
    return {names[name]: {"top1": value} for name, value in top1.items()}


@pytest.mark.parametrize(
    ("metrics", "device", "most_loss", "file"),
    [
        (measured(fp32=0.62, int8=0.615), Device.CPU, 1.0, INT8),
        (measured(fp32=0.62, int8=0.61), Device.CPU, 1.0, INT8),
        (measured(fp32=0.62, int8=0.609), Device.CPU, 1.0, FP32),
        (measured(fp32=0.62, int8=0.63), Device.CPU, 0.0, INT8),
        (measured(fp32=0.62, int8=0.6199), Device.CPU, 0.0, FP32),
        (measured(fp32=0.62, fp16=0.62), Device.CPU, 1.0, FP32),
        (measured(fp32=0.62, int8=0.62, fp16=0.62), Device.CUDA, 1.0, FP16),
        (measured(fp32=0.62, int8=0.62, fp16=0.5), Device.CUDA, 1.0, FP32),
        (measured(int8=0.62), Device.CPU, 100.0, FP32),
        ({}, Device.CPU, 100.0, FP32),
        ({FP32: {"top1": 0.5}, INT8: {"loss": 1.0}}, Device.CPU, 100.0, FP32),
    ],
)
def test_the_fastest_that_is_accurate_enough_runs(
    metrics: dict[str, dict[str, float]], device: Device, most_loss: float, file: str
) -> None:
    assert choose_variant([FP32, INT8, FP16], metrics, device, most_loss) == file


@pytest.mark.parametrize(
    ("files", "device", "file"),
    [
        ([FP32], Device.CPU, FP32),
        ([INT8], Device.CPU, INT8),
        ([INT8], Device.CUDA, INT8),
        ([FP16], Device.CPU, FP16),
        ([INT8, FP16], Device.CPU, INT8),
        ([INT8, FP16], Device.CUDA, FP16),
        (["saved_model.pb"], Device.CPU, FP32),
    ],
)
def test_a_file_that_a_version_does_not_have_is_not_chosen(
    files: list[str], device: Device, file: str
) -> None:
    metrics = measured(fp32=0.62, int8=0.5, fp16=0.62)
    assert choose_variant(files, metrics, device, 1.0) == file
