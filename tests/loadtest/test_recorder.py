from __future__ import annotations

from dataclasses import dataclass

from loadtest.faults import CLASS, Refused, WrongAnswer
from loadtest.live import line, page
from loadtest.measurements import Tally, Timeline
from loadtest.recorder import Ended, Recorder
from loadtest.run import Run


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def total(recorder: Recorder) -> Tally:
    return Timeline.from_plain(recorder.take()["timeline"]).total()


def begun() -> tuple[Recorder, Clock]:
    clock = Clock()
    recorder = Recorder(clock)
    recorder.begin()
    return recorder, clock


def test_faults_are_counted_by_kind_and_right_requests_by_version() -> None:
    recorder, _ = begun()
    for fault in (None, None, WrongAnswer(CLASS, "cat"), Refused("status 503", ""), OSError("?")):
        recorder.record(Ended("single", 100.0, 5.0, fault, version="2"))
    recorder.record(Ended("misbehaving", 100.0, None))
    found = total(recorder)
    assert found.wrong == {CLASS: 1}
    assert found.errors == {"status 503": 1, "OSError": 1}
    assert (found.requests, found.latencies.count, found.versions["2"]) == (6, 5, 5)


def test_a_stall_is_time_in_which_somebody_waited_and_nobody_was_answered() -> None:
    recorder, clock = begun()
    recorder.record(Ended("single", begun_s=99.9, latency_ms=100))
    # Two ask, and both wait for the same two seconds.
    clock.now_s = 102.1
    recorder.record(Ended("single", begun_s=100.1, latency_ms=2000))
    recorder.record(Ended("single", begun_s=100.1, latency_ms=2000))
    assert round(total(recorder).stall_s, 3) == 2.0


def test_a_stall_is_everybodys_who_waited_and_a_slow_request_among_others_is_none() -> None:
    recorder, clock = begun()
    for scenario in ("single", "v2", "console"):
        clock.now_s = 102.0 + (scenario != "single") * 0.01
        recorder.record(Ended(scenario, begun_s=100.0, latency_ms=2000))
    timeline = Timeline.from_plain(recorder.take()["timeline"])
    assert [round(timeline.total(each).stall_s, 3) for each in timeline.scenarios()] == [2.0] * 3
    for tenth in range(20):
        clock.now_s = 103.0 + tenth / 10
        recorder.record(Ended("single", begun_s=clock.now_s - 0.05, latency_ms=50))
    recorder.record(Ended("batches", begun_s=103.0, latency_ms=1900))
    assert Timeline.from_plain(recorder.take()["timeline"]).total("batches").stall_s < 0.2


def test_idle_time_is_no_stall() -> None:
    recorder, clock = begun()
    recorder.record(Ended("single", begun_s=99.9, latency_ms=100))
    clock.now_s = 160.0
    recorder.record(Ended("single", begun_s=159.9, latency_ms=100))
    assert round(total(recorder).stall_s, 3) == 0.1


def test_each_measurement_is_taken_once_and_examples_are_few() -> None:
    recorder, _ = begun()
    for _ in range(100):
        recorder.record(Ended("single", 100.0, 5.0, Refused("status 503", "")))
    first = recorder.take()
    assert 0 < len(first["examples"]) < 100
    assert Timeline.from_plain(first["timeline"]).total().requests == 100
    assert total(recorder).requests == 0


def test_the_live_view_shows_what_goes_on() -> None:
    recorder, clock = begun()
    run = Run("", {"host": "http://127.0.0.1:8000"})
    for second in range(8):
        clock.now_s = 100.5 + second
        for _ in range(10):
            recorder.record(Ended("single", clock.now_s, 20.0, version="2"))
    recorder.record(Ended("single", clock.now_s, 20.0, Refused("status 503", "busy")))
    plain = recorder.take() | {"health": {"cpu_shares": [0.5], "lag": Tally().latencies.to_plain()}}
    run.add("process 1", plain)
    shown = page(run, 8.0, 52.0, "16 users")
    for part in (
        "0:08 gone, 0:52 left   16 users",
        "single",
        "20 ms",
        "2: 100%",
        "503: busy",
        "50%",
    ):
        assert part in shown
    assert line(run, 8.0, None) == (
        "0:08  10/s  p50 20 ms  p99 20 ms  errors 1  wrong 0  versions 2: 100%"
    )
