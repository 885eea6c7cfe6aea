import fcntl
import io
import os
import struct
import termios

import pytest

from training.progress import LogBars, TerminalBars, duration, make_bars


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    bars = LogBars(stream, interval_s=10.0, clock=clock)
    with bars.open("epoch 1/2", total=400, unit="images") as bar:
        for _ in range(4):
            clock.now_s += 6.0
            bar.advance(100, {"loss": "1.5"})
    assert stream.getvalue().splitlines() == [
        "epoch 1/2: 200/400 images, loss 1.5, 16.7 images/s, 12 s left",
        "epoch 1/2: 400/400 images, loss 1.5, 16.7 images/s, took 24 s",
    ]


def test_bytes_are_shown_in_megabytes() -> None:
    clock, stream = Clock(), io.StringIO()
    with LogBars(stream, clock=clock).open("publish", total=3_000_000, unit="bytes") as bar:
        clock.now_s = 2.0
        bar.advance(3_000_000)
    assert stream.getvalue() == "publish: 3.0/3.0 MB, 1.5 MB/s, took 2 s\n"


def test_the_rate_of_a_resumed_task_counts_only_what_is_done_now() -> None:
    clock, stream = Clock(), io.StringIO()
    with LogBars(stream, clock=clock).open("x", total=300, unit="images", done=200) as bar:
        clock.now_s = 10.0
        bar.advance(100)
    assert "10.0 images/s" in stream.getvalue()


def test_a_task_that_failed_is_not_reported_as_done() -> None:
    stream = io.StringIO()
    bar = LogBars(stream).open("x", total=3, unit="images")
    with pytest.raises(ValueError, match="broken"), bar:
        raise ValueError("broken")
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_facts_and_time_left() -> None:
    stream = Terminal()
    bars = make_bars(stream)
    assert isinstance(bars, TerminalBars)
    with bars.open("epoch 1/2", total=100, unit="images", done=40) as bar:
        bar.advance(60, {"loss": "0.500"})
    assert "epoch 1/2 100%" in stream.getvalue()
    assert "loss 0.500" in stream.getvalue()
    assert isinstance(make_bars(io.StringIO()), LogBars)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (61, "1:01"), (3725, "1:02:05")]
)
def test_durations_are_written_the_way_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_loss_accuracy_speed_and_time_left_fit_into_a_hundred_columns() -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    facts = {"loss": "5.341", "top-1": "100.0%"}
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123 there is no path
        bar = make_bars(terminal).open("epoch 100/100", total=10**9, unit="images", done=10)
        with bar:
            bar.advance(1000, facts, run_left_s=100 * 3600.0)
        # The kernel hands it over in pieces, the end of the line last.
        raw = b""
        while not raw.endswith(b"\n"):
            raw += os.read(ours, 10_000)
    os.close(ours)
    shown = raw.decode()
    line = shown.split("\r")[2]
    assert len(line) <= 100
    for words in ("epoch 100/100", "loss 5.341, top-1 100.0%", "images/s", " left, run 100:00:00"):
        assert words in line


def test_a_log_line_says_how_long_the_whole_run_takes() -> None:
    clock, stream = Clock(), io.StringIO()
    bar = LogBars(stream, interval_s=10.0, clock=clock).open("epoch 1/2", total=400, unit="images")
    clock.now_s = 10.0
    bar.advance(100, run_left_s=75.0)
    assert stream.getvalue() == "epoch 1/2: 100/400 images, 10.0 images/s, 30 s left, run 1:15\n"
