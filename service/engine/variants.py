"""Which of a version's model files runs here: the fastest that is accurate enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from service.engine.device import Device
from service.engine.session import MODEL_FILE

# The file that a device runs faster than the model itself.
FASTER = {Device.CPU: "model.int8.onnx", Device.CUDA: "model.fp16.onnx"}
TOP1 = "top1"


def choose_variant(
    files: Collection[str],
    metrics: Mapping[str, Mapping[str, float]],
    device: Device,
    most_loss: float,
) -> str:
    """Return which of a version's files to load, given what was measured when it was published.

    `most_loss` is in points of top-1 accuracy: 1.0 lets a variant be right for one image in a
    hundred less. One whose loss wasn't measured isn't chosen, unless the version has nothing else.
    """
    faster = FASTER[device]
    if MODEL_FILE not in files:
        variants = [faster, *(name for name in FASTER.values() if name != faster)]
        return next((name for name in variants if name in files), MODEL_FILE)
    if faster not in files:
        return MODEL_FILE
    accuracy = metrics.get(MODEL_FILE, {}).get(TOP1)
    variants_accuracy = metrics.get(faster, {}).get(TOP1)
    if accuracy is None or variants_accuracy is None:
        return MODEL_FILE
    loss = 100 * (accuracy - variants_accuracy)
    # Fractions of a point that come from the subtraction alone don't decide.
    return faster if loss <= most_loss + 1e-9 else MODEL_FILE
