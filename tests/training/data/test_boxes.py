import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.boxes import Boxes

SIDES = st.floats(0, 100)
PLACES = st.floats(0, 1, exclude_max=True)


@given(SIDES, SIDES, PLACES, PLACES)
def test_a_placed_box_lies_wholly_inside(height: float, width: float, y: float, x: float) -> None:
    boxes = Boxes.placed(
        height=np.array([height]), width=np.array([width]), place=np.array([[y, x]])
    )
    top, bottom, left, right = boxes.corners[0]
    assert 0 <= top <= bottom <= 64
    assert 0 <= left <= right <= 64
    assert bottom - top == min(64, np.rint(height))
    assert right - left == min(64, np.rint(width))


@given(SIDES, st.integers(0, 63), st.integers(0, 63))
def test_a_centred_box_is_cut_off_at_the_edges(side: float, y: int, x: int) -> None:
    boxes = Boxes.centred(
        height=np.array([side]), width=np.array([side]), centre=np.array([[y, x]])
    )
    half = int(side / 2)
    assert boxes.corners[0].tolist() == [
        max(0, y - half),
        min(64, y + half),
        max(0, x - half),
        min(64, x + half),
    ]


def test_areas_count_the_pixels_that_paint_and_paste_change() -> None:
    boxes = Boxes(np.array([[2, 5, 60, 64], [0, 0, 0, 0], [7, 7, 3, 9]]))
    black = np.zeros((3, 64, 64, 3), np.uint8)
    painted = black.copy()
    boxes.paint(painted, (1, 2, 3))
    assert boxes.areas.tolist() == [12, 0, 0]
    assert (painted != 0).all(axis=3).sum(axis=(1, 2)).tolist() == [12, 0, 0]
    assert painted[0, 2, 60].tolist() == [1, 2, 3]
    pasted = black.copy()
    boxes.paste(painted[::-1], np.array([2, 1, 0]), pasted)
    np.testing.assert_array_equal(pasted, painted)
