from pathlib import Path

import numpy as np
import pytest

from training.checkpoint import Checkpoints, best_of, superfluous
from training.errors import CheckpointError
from training.position import Meter, Position

ARRAYS = {"model/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(7)}


def saved(folder: Path, *steps: int, top1: dict[int, float] | None = None) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(Position(step=step), ARRAYS, top1=(top1 or {}).get(step))
    return checkpoints


def test_what_was_saved_is_loaded_bit_by_bit(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    position = Position(step=3, evaluated_step=2, meter=Meter(1.5, 4, 8))
    checkpoints.save(position, ARRAYS, top1=None)
    checkpoint, problems = checkpoints.newest()
    assert problems == []
    assert checkpoint is not None
    assert checkpoint.position == position
    assert checkpoint.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert checkpoint.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(checkpoint.arrays[name], array)


def test_there_is_no_checkpoint_before_the_first(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest() == (None, [])


@pytest.mark.parametrize("damaged", ["state.npz", "meta.json"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damaged: str
) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    file = tmp_path / "step-00000002" / damaged
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    checkpoint, problems = checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.position.step == 1
    assert len(problems) == 1
    assert str(file) in problems[0]


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    file = tmp_path / "step-00000001" / "state.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoints.load(1)


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_over_silently(
    tmp_path: Path,
) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / "step-00000001" / "state.npz").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be read"):
        checkpoints.newest()


def test_a_save_that_was_killed_leaves_nothing_that_looks_like_a_checkpoint(
    tmp_path: Path,
) -> None:
    checkpoints = saved(tmp_path, 1)
    abandoned = tmp_path / "step-00000002.partial"
    abandoned.mkdir()
    (abandoned / "state.npz").write_bytes(b"half")
    assert checkpoints.steps() == [1]
    checkpoints.save(Position(step=2), ARRAYS, top1=None)
    assert checkpoints.steps() == [1, 2]
    assert not abandoned.exists()


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2, 3, 4, 5, top1={1: 0.1, 2: 0.6, 4: 0.3})
    assert checkpoints.steps() == [2, 4, 5]
    assert checkpoints.best_step() == 2


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 4)
    checkpoints.save(Position(step=4, evaluated_step=4), ARRAYS, top1=0.5)
    assert checkpoints.load(4).position.evaluated_step == 4


def test_of_equally_good_checkpoints_the_later_is_best() -> None:
    assert best_of({1: 0.5, 2: 0.5, 3: None}) == 2
    assert best_of({1: None}) is None


def test_nothing_is_superfluous_among_two() -> None:
    assert list(superfluous({1: None, 2: 0.1})) == []
