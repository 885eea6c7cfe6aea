import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.model_store.small_disk import small_disk
from training.errors import CheckpointError
from training.position import Meter, Position
from training.run.checkpoints import Checkpoint, Checkpoints, best_of, superfluous

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


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def remove(file: Path) -> None:
    file.unlink()


def flip(file: Path) -> None:
    """Flip one bit within what the file says, not in a blank between."""
    content = bytearray(file.read_bytes())
    place = content.find(b"2") if file.suffix == ".json" else len(content) // 2
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["state.npz", "meta.json"])
@pytest.mark.parametrize("damage", [truncate, empty, remove, flip])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    file = tmp_path / "step-00000002" / name
    damage(file)
    checkpoint, problems = checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.position.step == 1
    assert len(problems) == 1
    assert str(file) in problems[0]


def test_any_flipped_character_of_what_is_said_is_noticed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    position = Position(step=3, evaluated_step=2, meter=Meter(1.5, 4, 8))
    checkpoints.save(position, ARRAYS, top1=0.25)
    file = tmp_path / "step-00000003" / "meta.json"
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        checkpoint, problems = newest_or_none(checkpoints)
        # A damaged name of the seal, or a blank, leaves all that matters as it was.
        assert problems or (checkpoint is not None and checkpoint.position == position)
    file.write_bytes(whole)
    assert checkpoints.best_step() == 3


def newest_or_none(checkpoints: Checkpoints) -> tuple[Checkpoint | None, list[str]]:
    try:
        return checkpoints.newest()
    except CheckpointError as error:
        return None, [str(error)]


def test_checkpoints_of_before_there_were_seals_are_read(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    file = tmp_path / "step-00000001" / "meta.json"
    facts = json.loads(file.read_text())
    del facts["seal"]
    file.write_text(json.dumps(facts))
    assert checkpoints.load(1).position.step == 1


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_checkpoints_are_kept_as_is_asked_for(tmp_path: Path, keep: int) -> None:
    checkpoints = Checkpoints(tmp_path, keep=keep)
    for step in range(1, 7):
        checkpoints.save(Position(step=step), ARRAYS, top1=0.5 if step == 2 else None)
    assert checkpoints.steps() == [2, *range(7 - keep, 7)]


def test_a_full_disk_costs_the_new_checkpoint_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk.place / "checkpoints"
        arrays = {"model/kernel": np.zeros(20_000, np.float32)}
        checkpoints = Checkpoints(folder)
        checkpoints.save(Position(step=1), arrays, top1=None)
        for pages in range(0, 21, 4):
            disk.fill(leave_pages=pages)
            with pytest.raises(
                CheckpointError, match=r"No space left .* step 1 is kept; make room"
            ):
                checkpoints.save(Position(step=2), arrays, top1=None)
            disk.clear()
            assert [item.name for item in folder.iterdir()] == ["step-00000001"]
            assert checkpoints.load(1).position.step == 1
        checkpoints.save(Position(step=2), arrays, top1=None)
        assert checkpoints.steps() == [1, 2]


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


def test_a_kill_while_a_step_is_saved_again_never_costs_the_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.programs.killed_saves", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    deaths, losses = map(int, done.stdout.split())
    assert deaths > 5
    assert losses == 0


def test_what_a_kill_between_two_renames_left_is_read_and_then_replaced(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 2, 4)
    (tmp_path / "step-00000004").rename(tmp_path / "step-00000004.replaced")
    assert checkpoints.steps() == [2, 4]
    newest, problems = checkpoints.newest()
    assert newest is not None
    assert (newest.position.step, problems) == (4, [])
    checkpoints.save(Position(step=4, evaluated_step=4), ARRAYS, top1=None)
    assert checkpoints.load(4).position.evaluated_step == 4
    assert sorted(item.name for item in tmp_path.iterdir()) == ["step-00000002", "step-00000004"]


@pytest.mark.parametrize("name", ["state.npz", "meta.json"])
def test_damaged_checkpoints_that_seem_newer_never_cost_the_one_just_saved(
    tmp_path: Path, name: str
) -> None:
    saved(tmp_path, 10, 20)
    empty(tmp_path / "step-00000020" / name)
    checkpoints = Checkpoints(tmp_path, keep=1)
    newest, _ = checkpoints.newest()
    assert newest is not None
    assert newest.position.step == 10
    for step in (15, 25):
        checkpoints.save(Position(step=step), ARRAYS, top1=None)
        assert checkpoints.load(step).position.step == step
    assert checkpoints.steps() == [25]


@pytest.mark.parametrize("name", ["state.npz", "meta.json"])
def test_damaged_checkpoints_take_no_place_of_those_that_are_kept(
    tmp_path: Path, name: str
) -> None:
    saved(tmp_path, 10, 20)
    empty(tmp_path / "step-00000020" / name)
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.newest()
    checkpoints.save(Position(step=25), ARRAYS, top1=None)
    assert checkpoints.steps() == [10, 25]


def test_of_equally_good_checkpoints_the_later_is_best() -> None:
    assert best_of({1: 0.5, 2: 0.5, 3: None}) == 2
    assert best_of({1: None}) is None


def test_nothing_is_superfluous_among_two() -> None:
    assert list(superfluous({1: None, 2: 0.1})) == []
