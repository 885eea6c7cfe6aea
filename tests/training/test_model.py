from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.backend import keras
from training.errors import CheckpointError
from training.model import (
    PIXEL_DEVIATION,
    PIXEL_MEAN,
    Architecture,
    Stem,
    build_model,
    copy_weights,
)
from training.modes.one_by_one import OneByOne
from training.step import Average, StepInputs, StepResult, TrainStep
from training.trainee import Trainee, make_trainee, predictor

Step = Callable[[NDArray[np.uint8], NDArray[np.int32], float], StepResult]

TINY = Architecture(classes=5, depths=(1, 1), width=4)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (10, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int32]:
    return np.arange(10, dtype=np.int32) % 5


def trainee(*, with_average: bool = False, seed: int = 0) -> Trainee:
    return make_trainee(
        TINY, precision="float32", seed=seed, momentum=0.9, with_average=with_average
    )


def step_of(
    trained: Trainee,
    *,
    label_smoothing: float = 0.0,
    weight_decay: float = 0.0,
    meet: Average | None = None,
) -> Step:
    update = TrainStep(
        trained.model,
        trained.optimizer,
        label_smoothing=label_smoothing,
        weight_decay=weight_decay,
        average=trained.average,
        average_decay=0.9,
        meet=meet,
    ).update
    runner = OneByOne(update)

    def step(images: NDArray[np.uint8], labels: NDArray[np.int32], rate: float) -> StepResult:
        shares = np.ones(len(labels), np.float32)
        runner.submit(StepInputs(images, labels, labels, shares, np.float32(rate), np.float32(0)))
        return runner.result()

    return step


def test_resnet50_is_resnet50() -> None:
    ours = build_model(Architecture(), precision="float32", seed=0)
    theirs = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=200)
    kernels = {v.path: tuple(v.shape) for v in theirs.variables if v.path.endswith("conv/kernel")}
    assert kernels == {
        v.path: tuple(v.shape) for v in ours.variables if v.path.endswith("conv/kernel")
    }
    norms = [v.path for v in theirs.variables if "_bn/" in v.path]
    assert sorted(norms) == sorted(v.path for v in ours.variables if "_bn/" in v.path)


@pytest.mark.parametrize(("stem", "side"), [("imagenet", 16), ("stride2", 32), ("full", 64)])
def test_the_stem_decides_how_much_detail_is_kept(stem: Stem, side: int) -> None:
    model = build_model(Architecture(stem=stem), precision="float32", seed=0)
    assert model.get_layer("conv2_block1_out").output.shape[1:3] == (side, side)
    assert model.output.shape == (None, 200)


def test_pixels_are_normalised_inside_the_model(images: NDArray[np.uint8]) -> None:
    model = build_model(TINY, precision="float32", seed=0)
    inside = keras.Model(model.input, model.get_layer("normalise").output)
    expected = (images - np.array(PIXEL_MEAN)) / np.array(PIXEL_DEVIATION)
    np.testing.assert_allclose(inside(images).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_seed_decides_the_initial_weights() -> None:
    def kernel(seed: int) -> NDArray[np.float32]:
        model = build_model(TINY, precision="float32", seed=seed)
        return np.array(model.get_layer("conv1_conv").kernel.numpy())

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert (kernel(1) != kernel(2)).all()


def test_mixed_precision_keeps_variables_and_logits_in_float32(images: NDArray[np.uint8]) -> None:
    model = build_model(TINY, precision="mixed_bfloat16", seed=0)
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert model.get_layer("conv2_block1_1_conv").compute_dtype == "bfloat16"
    assert model(images).dtype == "float32"
    plain = build_model(TINY, precision="float32", seed=1)
    copy_weights(model, plain)
    np.testing.assert_allclose(model(images), plain(images), atol=0.02)


def test_probabilities_sum_to_one_for_any_number_of_images(images: NDArray[np.uint8]) -> None:
    predict = predictor(build_model(TINY, precision="float32", seed=0))
    for count in (1, 10):
        probabilities = predict(images[:count])
        assert probabilities.shape == (count, 5)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_training_learns_a_batch_by_heart(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    trained = trainee()
    step = step_of(trained)
    results = [step(images, labels, 0.2) for _ in range(60)]
    assert results[0].loss == pytest.approx(np.log(5), rel=0.1)
    assert results[-1].loss < 0.2
    assert results[-1].top1 == 1.0
    assert int(trained.optimizer.iterations) == 60


def test_a_learning_rate_of_zero_changes_no_weight(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    trained = trainee()
    before = [np.array(variable.numpy()) for variable in trained.model.trainable_variables]
    step_of(trained)(images, labels, 0.0)
    for old, variable in zip(before, trained.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, np.array(variable.numpy()))


def test_decay_shrinks_kernels_and_spares_norms_and_biases(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    def after(weight_decay: float) -> dict[str, NDArray[np.float32]]:
        trained = trainee()
        step_of(trained, weight_decay=weight_decay)(images, labels, 0.1)
        return {v.path: np.array(v.numpy()) for v in trained.model.trainable_variables}

    without, decayed = after(0.0), after(0.5)
    for name, values in without.items():
        assert np.allclose(values, decayed[name], atol=1e-6) == (values.ndim == 1), name


def test_label_smoothing_is_the_loss_it_says(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    trained = trainee()
    logits = np.array(trained.model(images, training=True), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.eye(5)[labels] * 0.8 + 0.2 / 5
    result = step_of(trainee(), label_smoothing=0.2)(images, labels, 0.0)
    assert result.loss == pytest.approx(-(targets * log_p).sum(axis=1).mean(), rel=1e-4)


def test_the_average_follows_the_weights_by_its_decay(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    trained = trainee(with_average=True)
    assert trained.average is not None
    assert trained.result is trained.average
    start = trained.model.get_layer("conv1_conv").kernel.numpy()
    step_of(trained)(images, labels, 0.1)
    now = trained.model.get_layer("conv1_conv").kernel.numpy()
    mean = trained.average.get_layer("conv1_conv").kernel.numpy()
    decay = (1 + 1) / (10 + 1)
    np.testing.assert_allclose(mean, decay * start + (1 - decay) * now, rtol=1e-4, atol=1e-7)


def test_gradients_pass_through_what_the_mode_does_with_them(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    def nothing(gradients: Sequence[Any], others: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        return [gradient * 0.0 for gradient in gradients], list(others)

    trained = trainee()
    before = trained.model.get_layer("logits").kernel.numpy()
    step = step_of(trained, meet=nothing)
    step(images, labels, 0.1)
    np.testing.assert_array_equal(before, trained.model.get_layer("logits").kernel.numpy())


def test_a_restored_trainee_goes_on_bit_for_bit(
    images: NDArray[np.uint8], labels: NDArray[np.int32]
) -> None:
    first = trainee(with_average=True)
    step = step_of(first)
    step(images, labels, 0.05)
    arrays = first.arrays()
    step(images, labels, 0.05)

    second = trainee(with_average=True, seed=9)
    second.restore(arrays)
    step_of(second)(images, labels, 0.05)
    for name, array in second.arrays().items():
        np.testing.assert_array_equal(array, first.arrays()[name], err_msg=name)


def test_a_checkpoint_of_another_model_is_refused() -> None:
    arrays = trainee().arrays()
    wider = make_trainee(
        Architecture(classes=6, depths=(1, 1), width=4),
        precision="float32",
        seed=0,
        momentum=0.9,
        with_average=False,
    )
    with pytest.raises(CheckpointError, match=r"logits/kernel has shape \(32, 5\)"):
        wider.restore(arrays)
    with pytest.raises(CheckpointError, match="only in one of them"):
        trainee(with_average=True).restore(arrays)
