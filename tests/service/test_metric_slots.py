"""Counters under restarts, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from service.metric_slots import LivingProcess, living_processes
from tests.doc_blocks import ROOT

COUNT_ONE = """
from service import metrics
metrics.sign_in("worker")
metrics.SWAPS.inc()
metrics.QUEUE_SECONDS.observe(0.004)
"""
TELL = """
from service.exposition import exposition
print(exposition(None).decode())
"""
WAIT = "import sys; print('up', flush=True); sys.stdin.read()"
FORK = """
import os
child = os.fork()
metrics.SWAPS.inc()
if child:
    os.waitpid(child, 0)
"""


def start(folder: Path, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, program: str) -> str:
    process = start(folder, program)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def value(exposed: str, series: str) -> float:
    (line,) = [each for each in exposed.splitlines() if each.startswith(f"{series} ")]
    return float(line.split()[1])


def test_counters_go_on_where_a_dead_process_stopped_in_the_same_files(tmp_path: Path) -> None:
    for _ in range(3):
        run(tmp_path, COUNT_ONE)
    exposed = run(tmp_path, TELL)
    assert value(exposed, "hotshelf_swaps_total") == 3
    assert value(exposed, "hotshelf_queue_duration_seconds_count") == 3
    assert value(exposed, 'hotshelf_process_starts_total{process="worker"}') == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "counter_0.db",
        "histogram_0.db",
        "slot-0.lock",
    ]


def test_a_killed_process_loses_nothing_and_is_not_shown_as_living(tmp_path: Path) -> None:
    killed = start(tmp_path, COUNT_ONE + WAIT)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "up\n"
    assert list(living_processes(tmp_path)) == [LivingProcess("worker", killed.pid)]
    killed.kill()
    killed.communicate()
    assert list(living_processes(tmp_path)) == []
    assert value(run(tmp_path, TELL), "hotshelf_swaps_total") == 1


def test_processes_that_live_at_once_are_added_up(tmp_path: Path) -> None:
    first = start(tmp_path, COUNT_ONE + WAIT)
    assert first.stdout is not None
    assert first.stdout.readline() == "up\n"
    run(tmp_path, COUNT_ONE)
    exposed = run(tmp_path, TELL)
    first.communicate("")
    assert value(exposed, "hotshelf_swaps_total") == 2
    of_first = f'{{pid="{first.pid}",process="worker"}}'
    assert value(exposed, f"hotshelf_process_resident_memory_bytes{of_first}") > 1_000_000


def test_a_forked_child_counts_for_itself(tmp_path: Path) -> None:
    run(tmp_path, COUNT_ONE + FORK)
    exposed = run(tmp_path, TELL)
    # One before the fork, and one by each of the two after it.
    assert value(exposed, "hotshelf_swaps_total") == 3
    assert (tmp_path / "counter_1.db").exists()
