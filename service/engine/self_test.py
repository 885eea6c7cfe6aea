"""Whether a loaded version is what was published: known images must get their known answers."""

from __future__ import annotations

import logging

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from model_store import Manifest
from service.engine.session import BadModel, Session

log = logging.getLogger(__name__)


def check_published(session: Session, manifest: Manifest, file: str) -> None:
    """Raise BadModel unless the session, of that file, answers as the manifest says.

    Versions published without known answers pass; their classes are counted all the same.
    """
    _check_classes(session, manifest)
    if manifest.self_test is msgspec.UNSET:
        log.info("version %d was published without known answers", manifest.version)
        return
    known = manifest.self_test.answers.get(file)
    if known is None:
        log.info("version %d was published without known answers of %s", manifest.version, file)
        return
    images = np.frombuffer(manifest.self_test.images, np.uint8).reshape(-1, *IMAGE_SHAPE)
    expected = np.frombuffer(known.probabilities, "<f4").reshape(len(images), -1)
    answers = session.run(images)
    if answers.shape != expected.shape:
        raise BadModel(f"the self-test gave shape {answers.shape}, not {expected.shape}")
    differences = np.abs(answers - expected)
    # Written so that NaN fails too.
    if not (differences <= known.tolerance).all():
        worst = int(np.nan_to_num(differences, nan=np.inf).argmax())
        image, index = divmod(worst, expected.shape[1])
        raise BadModel(
            f"{file} answers otherwise than when it was published: image {image} of the self-test"
            f" gets {answers[image, index]:.4f} for class {index}, which was"
            f" {expected[image, index]:.4f} (allowed difference {known.tolerance:g})"
        )


def _check_classes(session: Session, manifest: Manifest) -> None:
    for output in manifest.signature.outputs:
        promised = output.shape[-1]
        if promised is not None and promised != len(session.classes):
            raise BadModel(
                f"classes.json names {len(session.classes)} classes, the manifest promises"
                f" {promised}"
            )
