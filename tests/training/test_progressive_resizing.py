"""A run on growing images, of a small network: the same code as for ResNet-50."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.fakes import RecordedBars
from training.assemble import Pieces, assemble
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.loop import run_loop
from training.model import Architecture, build_model, copy_weights
from training.modes.single import SingleMode
from training.position import Position
from training.run.folder import RunFolder
from training.settings import Recipe
from training.trainee import predictor

SMALL = Architecture(classes=4, depths=(1, 1), width=4)
RECIPE = Recipe(
    resolution="32@0,48@0.25,64@0.75",
    max_steps=8,
    batch_size=8,
    holdout=0.2,
    ema=0.9,
    mixup=0.2,
    precision="float32",
)
GENERATOR = np.random.default_rng(0)
IMAGES = Split(
    images=GENERATOR.integers(0, 256, (40, 64, 64, 3), np.uint8),
    labels=np.arange(40, dtype=np.int32) % 4,
)
NAMES = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}") for i in range(4))
DATA = PreparedData(folder=Path(), digest="d", classes=NAMES, train=IMAGES, val=IMAGES)


class Whole(NamedTuple):
    """What a run ended with, and what it said."""

    arrays: dict[str, NDArray[Any]]
    bars: RecordedBars


def pieces(folder: Path, bars: RecordedBars, *, stop_after: int | None = None) -> Pieces:
    made: list[Pieces] = []

    def should_stop() -> bool:
        optimizer = made[0].trainee.optimizer
        return stop_after is not None and int(optimizer.iterations.numpy()) >= stop_after

    made.append(
        assemble(
            recipe=RECIPE,
            architecture=SMALL,
            mode=SingleMode(),
            folder=RunFolder(folder),
            data=DATA,
            bars=bars,
            checkpoint_every=1,
            should_stop=should_stop,
        )
    )
    return made[0]


def run(built: Pieces, start: Position, *, resumed: bool) -> Position:
    position, _ = run_loop(
        built.plan, start, built.trainer, resumed=resumed, should_stop=built.trainer.should_stop
    )
    return position


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nothing stopped."""
    bars = RecordedBars()
    built = pieces(tmp_path_factory.mktemp("whole"), bars)
    assert run(built, Position(), resumed=False).step == 8
    return Whole(built.trainee.arrays(), bars)


@pytest.mark.parametrize("stop_after", [1, 3, 6])
def test_a_run_that_is_stopped_in_any_stage_and_resumed_ends_with_the_very_same_weights(
    tmp_path: Path, bars: RecordedBars, whole: Whole, stop_after: int
) -> None:
    stopped = run(
        pieces(tmp_path / "parts", bars, stop_after=stop_after), Position(), resumed=False
    )
    assert stop_after <= stopped.step < 8
    resumed = pieces(tmp_path / "parts", bars)
    checkpoint, problems = resumed.checkpoints.newest()
    assert checkpoint is not None
    assert not problems
    resumed.trainee.restore(checkpoint.arrays)
    run(resumed, checkpoint.position, resumed=True)
    found = resumed.trainee.arrays()
    for name, values in whole.arrays.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_evaluation_is_on_whole_images_that_were_held_out(whole: Whole) -> None:
    titles = {bar.title: bar.total for bar in whole.bars.bars}
    assert titles["epoch 1/2 held-out"] == 8
    assert any("held-out loss" in line for line in whole.bars.lines)


@pytest.mark.parametrize("side", [32, 48])
def test_a_network_for_any_size_computes_what_one_for_this_size_does(side: int) -> None:
    small = IMAGES.images[:3, :side, :side]
    of_any = build_model(SMALL, precision="float32", seed=1, side=None)
    of_this = build_model(SMALL, precision="float32", seed=2, side=side)
    copy_weights(of_any, of_this)
    np.testing.assert_allclose(
        np.asarray(of_any(small)), np.asarray(of_this(small)), rtol=1e-5, atol=1e-6
    )
    whole: NDArray[np.float32] = predictor(of_any)(IMAGES.images[:3])
    assert whole.shape == (3, 4)
