import pytest

from training.backend import keras
from training.model import Architecture, Stem, build_model
from training.outlook.cost import cost_of

TINY = Architecture(classes=2, depths=(1,), width=2)


def test_layers_cost_what_their_formulas_say() -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    cost = cost_of(keras.Model(image, keras.layers.Dense(7)(x)))
    convolution, dense = 8 * 8 * 5 * 9 * 3, 5 * 7
    assert cost.forward_macs == convolution + dense
    assert cost.forward_flops == 2 * (convolution + dense)
    # The images themselves have no gradient.
    assert cost.backward_macs == convolution + 2 * dense
    assert cost.step_flops == 2 * (2 * convolution + 3 * dense)
    assert cost.parameters == 9 * 3 * 5 + 4 * 5 + 5 * 7 + 7
    assert cost.trainable_parameters == cost.parameters - 2 * 5
    # What normalisation and ReLU keep for the way back, in float32.
    assert cost.activation_bytes == 2 * 8 * 8 * 5 * 4


@pytest.mark.parametrize(
    ("stem", "gmacs"),
    # ResNet-50 with strides in its 1×1 convolutions has 3.86 GMAC at 224×224; (64/224)² of that is
    # 0.315, and each stride or pool that is left out makes it four times as much.
    [("imagenet", 0.315), ("stride2", 1.23), ("full", 4.89)],
)
def test_the_stems_cost_what_the_documentation_says(stem: Stem, gmacs: float) -> None:
    cost = cost_of(build_model(Architecture(stem=stem), precision="float32", seed=0))
    assert cost.forward_macs / 1e9 == pytest.approx(gmacs, abs=0.005)
    assert cost.backward_macs / cost.forward_macs == pytest.approx(2, abs=0.05)


def test_a_frozen_backbone_costs_only_its_forward_pass() -> None:
    model = build_model(TINY, precision="float32", seed=0)
    whole = cost_of(model)
    for layer in model.layers[:-1]:
        layer.trainable = False
    frozen = cost_of(model)
    assert frozen.forward_macs == whole.forward_macs
    assert frozen.backward_macs == 8 * 2
    assert frozen.trainable_parameters == 8 * 2 + 2
    assert frozen.activation_bytes == 0


def test_half_the_width_keeps_half() -> None:
    plain = cost_of(build_model(TINY, precision="float32", seed=0)).activation_bytes
    mixed = cost_of(build_model(TINY, precision="mixed_bfloat16", seed=0)).activation_bytes
    assert mixed == plain / 2


def test_normalising_over_all_ranks_keeps_float32() -> None:
    fused = cost_of(build_model(TINY, precision="mixed_bfloat16", seed=0)).activation_bytes
    model = build_model(TINY, precision="mixed_bfloat16", seed=0, average_moments=lambda x: x)
    assert fused < cost_of(model).activation_bytes < 2 * fused
