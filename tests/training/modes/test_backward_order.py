"""In which order a backward pass computes."""

from __future__ import annotations

from typing import Any

from training.backend import tf
from training.modes.backward_order import kernels_before_lower_layers


def test_each_kernels_gradient_comes_before_the_error_of_the_layer_below() -> None:
    kernels = [tf.Variable(tf.ones((3, 3, 2, 2))) for _ in range(3)]

    def gradients(images: Any) -> Any:
        with tf.GradientTape() as tape:
            for kernel in kernels:
                images = tf.nn.conv2d(images, kernel, strides=1, padding="SAME")
            loss = tf.reduce_sum(images)
        found = tape.gradient(loss, kernels)
        kernels_before_lower_layers(found[0].graph)
        return found

    images = tf.ones((1, 8, 8, 2))
    compiled = tf.function(gradients)
    operations = compiled.get_concrete_function(images).graph.get_operations()
    lower = [each for each in operations if each.type == "Conv2DBackpropInput"]
    assert len(lower) == len(kernels)
    for each in lower:
        (first,) = each.control_inputs
        assert first.type == "Conv2DBackpropFilter"
        assert first.inputs[2].ref() == each.inputs[2].ref()
    assert all(bool(tf.reduce_all(found > 0)) for found in compiled(images))
