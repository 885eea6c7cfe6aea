import pytest

from benchmarks.serving.cores import predicted, table

COSTS = {"model": 2.0, "engine": 0.1, "workers": 0.3, "client": 0.1, "used": 1.0}


def test_requests_grow_with_the_cores_while_every_part_is_shared_out() -> None:
    assert predicted(COSTS, 1) == pytest.approx(400)
    assert predicted(COSTS, 16) == pytest.approx(16 * 400)


def test_the_one_thread_of_the_engine_is_the_end_of_it() -> None:
    assert predicted(COSTS, 100) == pytest.approx(10_000)


def test_cores_that_were_not_used_are_not_counted_on() -> None:
    assert predicted(COSTS | {"used": 0.9}, 2) == pytest.approx(720)


def test_each_measurement_is_beside_what_the_one_before_it_said() -> None:
    lines = table({"1": COSTS | {"rate": 390.0}, "2": COSTS | {"rate": 700.0}})
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| 1", "390", "–"],
        ["| 2", "700", "800"],
        ["| 4", "–", "1,600"],
        ["| 8", "–", "3,200"],
        ["| 16", "–", "6,400"],
    ]
