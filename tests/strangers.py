"""SavedModels as other people make them: tiny, and each with its own names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.backend import keras, tf

CLASSES = 7


class Stranger(tf.Module):  # type: ignore[misc]
    """One dense layer over channel means; `compute` is what tells one stranger from another."""

    def __init__(self, compute: Callable[[Any], Any], classes: int = CLASSES) -> None:
        super().__init__()
        weights = tf.random.stateless_normal((3, classes), seed=(1, 2)) * 5
        self.weights = tf.Variable(weights)
        self.compute = compute

    def logits(self, image: Any) -> Any:
        return tf.reduce_mean(tf.cast(image, tf.float32) / 255, [1, 2]) @ self.weights


def write_module(
    folder: Path,
    *,
    compute: Callable[[Any], Any] = tf.nn.softmax,
    takes: Any = None,
    classes: int = CLASSES,
) -> Path:
    """Write what `tf.saved_model.save` makes of a tf.Module: input `pixels`, output `scores`."""
    module = Stranger(compute, classes)
    spec = takes or tf.TensorSpec((None, 64, 64, 3), tf.uint8, name="pixels")
    serve = tf.function(
        lambda pixels: {"scores": module.compute(module.logits(pixels))}, input_signature=[spec]
    )
    tf.saved_model.save(module, str(folder), signatures=serve.get_concrete_function())
    return folder


def write_keras(folder: Path) -> Path:
    """Write what Keras's `export` makes of a model that has just begun to learn."""
    image = keras.Input((64, 64, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, strides=4)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    answer = keras.layers.Dense(CLASSES, activation="softmax")(x)
    keras.Model(image, answer).export(str(folder), verbose=False)
    return folder


def write_version_1(folder: Path) -> Path:
    """Write what a session of TensorFlow 1 makes: two signatures, one with two outputs."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.uint8, (None, 64, 64, 3))
        means = tf.reduce_mean(tf.cast(image, tf.float32) / 255, [1, 2])
        logits = tf.matmul(means, v1.get_variable("w", (3, CLASSES)))
        best = tf.nn.softmax(logits)
        session.run(v1.global_variables_initializer())
        build, info = v1.saved_model.build_signature_def, v1.saved_model.build_tensor_info
        both = {"logits": info(logits), "best": info(best)}
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "predict": build({"x": info(image)}, {"y": info(best)}, "predict"),
                "both": build({"x": info(image)}, both, "predict"),
            },
        )
        builder.save()
    return folder


def write_names(path: Path, classes: int = CLASSES) -> Path:
    """Write a file of class names."""
    path.write_text(json.dumps([f"class {index}" for index in range(classes)]))
    return path
