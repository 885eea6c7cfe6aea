from __future__ import annotations

from pathlib import Path

import pytest

from service.engine.batch_size import sizes, worthwhile_batch
from service.ipc.messages import Images


class Model:
    """Takes a time of its own for each size of batch."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.runs: list[int] = []

    def run(self, images: Images) -> None:
        self.runs.append(len(images))
        self.now += self.seconds[len(images)]

    def worth(self, note: Path, most: int = 8, circumstances: str = "cpu, 1 thread") -> int:
        return worthwhile_batch(
            self.run, most, note=note, circumstances=circumstances, clock=lambda: self.now
        )


@pytest.mark.parametrize(
    ("seconds", "images"),
    [
        pytest.param({1: 1, 2: 2, 4: 4, 8: 8}, 1, id="no gain"),
        pytest.param({1: 1, 2: 1.5, 4: 2.5, 8: 4.9}, 4, id="hardly a gain after four"),
        pytest.param({1: 1, 2: 1.1, 4: 1.3, 8: 1.6}, 8, id="a gain to the end"),
        pytest.param({1: 1, 2: 1.5, 4: 2.5, 8: 9}, 4, id="too large is slower"),
    ],
)
def test_the_fewest_images_at_nearly_the_best_rate_are_taken(
    seconds: dict[int, float], images: int, tmp_path: Path
) -> None:
    assert Model(seconds).worth(tmp_path / "note") == images


@pytest.mark.parametrize(("most", "tried"), [(1, [1]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])])
def test_powers_of_two_and_the_limit_are_tried(most: int, tried: list[int]) -> None:
    assert sizes(most) == tried


def test_what_was_found_is_remembered_for_the_same_circumstances(tmp_path: Path) -> None:
    model = Model({1: 1, 2: 1.1, 4: 1.3, 8: 1.6})
    found = model.worth(tmp_path / "note")
    measured = len(model.runs)
    assert model.worth(tmp_path / "note") == found
    assert len(model.runs) == measured
    for other in ({"most": 4}, {"circumstances": "cpu, 2 threads"}):
        model.runs.clear()
        model.worth(tmp_path / "note", **other)
        assert model.runs


def test_a_damaged_note_is_measured_again(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("{")
    assert Model({1: 1, 2: 1.5, 4: 2.5, 8: 9}).worth(tmp_path / "note") == 4


def test_a_note_that_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    missing = tmp_path / "no such folder" / "note"
    assert Model({1: 1, 2: 2, 4: 4, 8: 8}).worth(missing) == 1
    assert not missing.exists()
