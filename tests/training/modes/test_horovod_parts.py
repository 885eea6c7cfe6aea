"""What launcher and ranks say to each other, and what goes into one message of gradients."""

from __future__ import annotations

import signal

import pytest

from training.modes.horovod import buckets
from training.modes.horovod_messages import (
    Alive,
    Ended,
    Hello,
    Order,
    Stop,
    read_order,
    read_report,
    write_order,
    write_report,
)
from training.modes.horovod_process import RankProcess
from training.modes.horovod_rank import obey
from training.stop import listen


@pytest.mark.parametrize("order", [Hello({"A": "1\n2"}), Stop(15), Alive()])
def test_an_order_is_one_line(order: Order) -> None:
    line = write_order(order)
    assert line.count(b"\n") == 1
    assert read_order(line) == order


def test_a_report_is_told_from_what_is_meant_for_the_user() -> None:
    report = Ended("the loss is nan\nat step 2", 5)
    line = write_report(report)
    assert line.count("\n") == 1
    assert read_report(line) == report
    assert read_report('{"type":"Ended","message":"x","exit_code":0}\n') is None
    assert read_report("\x1enothing of ours\n") is None


def test_a_rank_hears_a_stop_as_the_signal_itself_and_ends_with_its_launcher() -> None:
    lines = [write_order(Alive()), b"???\n", write_order(Stop(signal.SIGTERM))]
    ended: list[bool] = []

    def next_line(_: float) -> bytes | None:
        return lines.pop(0) if lines else None

    with listen() as stop:
        obey(next_line, lambda: ended.append(True))
        assert stop.signal_number == signal.SIGTERM
    assert ended == [True]


def test_what_a_rank_said_last_is_its_last_line_however_it_was_written() -> None:
    heard: list[bytes] = []

    def hear(chunk: bytes) -> None:
        heard.append(chunk)
        if b"one" in chunk:
            rank.tell(Alive())

    says = "echo one >&2; read order; echo two >&2; echo >&2; exit 3"
    rank = RankProcess(f"sh -c '{says}'", rank=1, host="a", ssh=[], out=lambda _: None, err=hear)
    end = rank.wait()
    assert b"".join(heard) == b"one\ntwo\n\n"
    assert (end.exit_code, end.last_line) == (3, "two")


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([3], [[0]]),
        ([4, 4, 4, 4, 4], [[4, 3], [2, 1], [0]]),
        ([1, 30, 1], [[2], [1], [0]]),
        ([2, 2, 5, 5], [[3, 2], [1, 0]]),
        ([2, 2, 2, 5, 5], [[4], [3, 2], [1, 0]]),
        ([20, 1], [[1], [0]]),
    ],
)
def test_gradients_travel_last_layers_first_in_few_messages_of_which_the_last_is_small(
    sizes: list[int], runs: list[list[int]]
) -> None:
    assert buckets(sizes, limit=10, last=5) == runs
