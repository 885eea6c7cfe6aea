import pytest

from training.errors import UsageError
from training.resolution import parse_resolutions
from training.settings import recipe_from

GROWING = parse_resolutions("32@0,48@0.4,64@0.7")


@pytest.mark.parametrize(
    ("step", "side"), [(0, 32), (39, 32), (40, 48), (69, 48), (70, 64), (99, 64)]
)
def test_a_stage_lasts_until_the_next_one_starts(step: int, side: int) -> None:
    assert GROWING.at(step, 100) == side


def test_stages_have_all_steps_of_a_run_between_them() -> None:
    assert GROWING.steps(100) == [(32, 40), (48, 30), (64, 30)]
    assert GROWING.steps(7) == [(32, 3), (48, 2), (64, 2)]
    for total in range(1, 40):
        stages = GROWING.steps(total)
        assert sum(steps for _, steps in stages) == total
        shown = [GROWING.at(step, total) for step in range(total)]
        assert [shown.count(side) for side, _ in stages] == [steps for _, steps in stages]


def test_one_side_is_for_the_whole_run() -> None:
    whole = parse_resolutions("48")
    assert whole == parse_resolutions("48@0")
    assert (whole.at(0, 10), whole.at(9, 10), whole.sides, whole.largest) == (48, 48, (48,), 48)


def test_a_side_that_comes_back_is_one_side() -> None:
    assert parse_resolutions("64@0,32@0.2,64@0.5").sides == (32, 64)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing isn't SIDE@START"),
        ("small", "small isn't SIDE@START"),
        ("8", "from 16 to 64"),
        ("128", "from 16 to 64"),
        ("32@0.5", "the first 0"),
        ("32@0,64", "each later"),
        ("32@0,64@0.5,48@0.5", "each later"),
        ("32@0,64@1", "below 1"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason_and_an_example(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"^--resolution {text}: .*{why}.*32@0,48@0.4,64@0.7"):
        recipe_from({"resolution": text})
