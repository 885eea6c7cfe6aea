from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from loadtest.comparison import compare, compare_files
from loadtest.health import ProcessHealth, bottleneck
from loadtest.knee import Step
from loadtest.measurements import Timeline
from loadtest.memory import growth_mb_per_min, told_mb
from loadtest.report.page import render
from loadtest.run import Run, read_run
from loadtest.verdict import Outcome, judge

SECONDS = 60


def health(*, cpu: float = 0.4, lag_ms: float = 1.0) -> ProcessHealth:
    made = ProcessHealth(cpu_shares=[cpu] * SECONDS)
    for _ in range(100):
        made.lag.add(lag_ms)
    return made


def run(
    slo: str = "p99<80ms",
    *,
    latency_ms: float = 20.0,
    rate: int = 10,
    wrong: int = 0,
    errors: int = 0,
    stall_s: float = 0.1,
    generator: ProcessHealth | None = None,
) -> Run:
    """A minute of two scenarios, of which `single` meets what went wrong."""
    timeline = Timeline()
    for second in range(SECONDS):
        for scenario in ("single", "v2"):
            tally = timeline.tally(second, scenario)
            tally.requests += rate
            for _ in range(rate):
                tally.latencies.add(latency_ms)
            tally.versions["2"] += rate
    first = timeline.tally(0, "single")
    first.wrong = Counter({"another class": wrong} if wrong else {})
    first.errors = Counter({"status 503": errors} if errors else {})
    first.stall_s = stall_s
    asked = {"slo": slo, "host": "http://127.0.0.1:8000", "rate": 0.0, "shape": "steady"}
    made = Run("2026-01-01T00:00:00+00:00", asked, duration_s=SECONDS)
    made.add(
        "process 1",
        {
            "timeline": timeline.to_plain(),
            "health": (generator or health()).to_plain(),
            "examples": [[0.5, "single", "another class: <cat.jpg>"]] if wrong else [],
        },
    )
    return made


def test_what_holds_passes_with_its_figures_in_one_line() -> None:
    verdict = judge(run())
    assert verdict.outcome is Outcome.PASS
    assert verdict.line == "PASS  1,200 requests in 60 s, 20.0/s, p99 20 ms, 0 errors, 0 wrong"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (run(wrong=1), "wrong=0 doesn't hold in single (1 of 600): another class (1)"),
        (run(errors=2), "errors<0.1% doesn't hold in single (2 of 600): status 503 (2)"),
        (run(stall_s=2.0), "stall<1s doesn't hold in single (2 s)"),
        (run(latency_ms=120), "p99<80ms doesn't hold in single (120 ms), v2 (120 ms)"),
        (run("rate>50/s"), "rate>50/s doesn't hold in all (20.0/s)"),
        (run("single:p50<1ms"), "single:p50<1ms doesn't hold in single (20 ms)"),
    ],
)
def test_what_broke_is_named_with_scenario_value_and_reason(broken: Run, said: str) -> None:
    verdict = judge(broken)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.line == f"FAIL  {said}"


def test_a_leak_is_named_and_a_step_or_a_warm_up_is_none() -> None:
    leaking = run()
    leaking.memory = [(float(second), 300 + second) for second in range(SECONDS)]
    assert "memory<5MB/min doesn't hold in all (grew by 60.0 MB/min)" in judge(leaking).line
    step = [(float(second), 300.0 + 100 * (second > 40)) for second in range(SECONDS)]
    assert growth_mb_per_min(step) == pytest.approx(0, abs=1)
    warm_up = [(float(second), 300.0 + min(second, 15)) for second in range(SECONDS)]
    assert growth_mb_per_min(warm_up) == 0
    assert growth_mb_per_min(warm_up[:20]) is None


def test_a_run_in_which_nothing_ended_fails() -> None:
    empty = Run("", {"slo": "p99<80ms", "host": "", "rate": 0.0})
    assert judge(empty).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        (health(cpu=0.97), "process 1 used 97% of its core"),
        (health(lag_ms=60.0), "process 1 ran 60"),
        (health(lag_ms=900.0), "itself stood still for 0.9 s"),
    ],
)
def test_a_generator_that_can_not_keep_up_says_so_and_blames_nobody(
    generator: ProcessHealth, said: str
) -> None:
    slow = judge(run(latency_ms=120, generator=generator))
    assert slow.outcome is Outcome.INCONCLUSIVE
    assert said in slow.line
    wrong = judge(run(latency_ms=120, wrong=1, generator=generator))
    assert wrong.outcome is Outcome.FAIL
    fine = judge(run(generator=generator))
    assert fine.outcome is Outcome.PASS
    assert said in fine.line


def test_too_few_users_for_an_open_loop_are_said() -> None:
    assert "raise --users" in bottleneck({"process 1": health()}, 20.0, late_share=0.02)
    assert bottleneck({"process 1": health()}, 20.0, late_share=0.001) == ""


def test_a_search_for_the_knee_is_judged_by_what_it_found() -> None:
    searched = run("p99<80ms,rate>500/s", latency_ms=120, errors=50)
    searched.knee = [Step(400.0, ""), Step(600.0, "p99<80ms in single (120 ms)")]
    assert "rate>500/s doesn't hold in all (knee at 400.0/s)" in judge(searched).line
    searched.knee = [Step(600.0, ""), Step(900.0, "p99<80ms in single (120 ms)")]
    assert judge(searched).outcome is Outcome.PASS
    searched.knee = [Step(1.0, "p99<80ms in single (120 ms)")]
    assert judge(searched).outcome is Outcome.FAIL


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    before = run(wrong=3)
    before.write(path)
    assert read_run(path).to_plain() == before.to_plain()
    assert json.loads(path.read_text())["summary"]["single"]["wrong"] == 3


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"other\.json: not the --result of a load test"):
        read_run(path)


def test_the_report_stands_by_itself_and_escapes_what_services_say() -> None:
    broken = run(wrong=3)
    broken.memory = [(0.0, 300.0), (30.0, 301.0)]
    page = render(broken, judge(broken))
    assert "&lt;cat.jpg&gt;" in page
    assert "<cat.jpg>" not in page
    assert "<svg" in page
    assert "src=" not in page
    assert "@import" not in page


def test_a_run_that_got_slower_is_worse_and_one_within_the_tolerance_is_not() -> None:
    def worse(before: Run, after: Run) -> set[tuple[str, str]]:
        found = compare(before, after, tolerance=10)
        return {(each.scenario, each.figure) for each in found if each.is_worse}

    assert worse(run(), run(latency_ms=21.5)) == set()
    assert ("single", "p99_ms") in worse(run(), run(latency_ms=25))
    assert worse(run(), run(wrong=1)) == {("single", "wrong"), ("all", "wrong")}
    assert ("all", "rate") in worse(run(), run(rate=5))
    # What takes no time takes twice as long by chance.
    assert worse(run(latency_ms=0.3), run(latency_ms=0.6)) == set()


def test_runs_that_were_asked_for_different_things_are_compared_by_their_faults_only() -> None:
    other = run(latency_ms=200)
    other.asked["shape"] = "spike"
    assert not any(each.is_worse for each in compare(run(), other, tolerance=10))


def test_the_comparison_of_files_says_worse_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run().write(tmp_path / "a.json")
    run(latency_ms=40).write(tmp_path / "b.json")
    assert compare_files(tmp_path / "a.json", tmp_path / "b.json", tolerance=10) == 1
    assert "WORSE  single p50 +100%" in capsys.readouterr().out
    assert compare_files(tmp_path / "a.json", tmp_path / "a.json", tolerance=10) == 0
    assert compare_files(tmp_path / "a.json", tmp_path / "none.json", tolerance=10) == 2


def test_a_service_tells_its_memory_by_its_metrics() -> None:
    name = "hotshelf_process_resident_memory_bytes"
    text = f'# TYPE {name} gauge\n{name}{{pid="1"}} 2e+06\n{name}{{pid="2"}} 1500000\nother 3\n'
    assert told_mb(text) == 3.5
    assert told_mb("other 3\n") is None
