"""Runs a search's trials, each as a training of its own, and writes what came of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from training.errors import Interrupted
from training.modes.command_line import train_arguments
from training.outlook.machine import this_machine
from training.progress import Bars
from training.search.outcome import Outcome, outcome_of
from training.search.page import lines_of, render
from training.search.plan import Trial
from training.stop import listen

REPORT = "report.html"
RESULTS = "results.json"

# Trains by these arguments of `python -m training`; returns its exit code.
Train = Callable[[list[str]], int]

_STOPPED = {128 + number: number for number in (signal.SIGINT, signal.SIGTERM)}
_LOOK_EVERY_S = 0.5
_PROGRAM = (sys.executable, "-m", "training")


def search(
    plan: tuple[Trial, ...], out: Path, title: str, bars: Bars, *, train: Train | None = None
) -> list[str]:
    """Try each recipe in `out/NAME`, and return a line for each, the best first.

    After each trial, `out/report.html` and `out/results.json` are written anew. A trial that is
    done isn't trained again; one that was interrupted goes on. One that fails is noted with its
    exit code, and the others follow. Raises Interrupted when a trial is stopped by a signal.
    """
    train = train or train_apart
    out.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for number, trial in enumerate(plan, start=1):
        bars.say(f"trial {number} of {len(plan)}: {trial.name}")
        run = out / trial.name
        code = train(train_arguments(trial.job, trial.recipe, run))
        if code in _STOPPED:
            raise Interrupted(
                f"stopped in trial {trial.name}; the same command goes on from its checkpoint",
                _STOPPED[code],
            )
        outcomes.append(outcome_of(trial, run, f"exit code {code}" if code else None))
        _write(out / REPORT, render(title, outcomes, str(this_machine())).encode())
        _write(out / RESULTS, msgspec.json.format(msgspec.json.encode(outcomes)) + b"\n")
    return lines_of(outcomes)


def train_apart(arguments: list[str], *, program: Sequence[str] = _PROGRAM) -> int:
    """Train in a process of its own: what TensorFlow was told for one run doesn't fit the next.

    It is told to stop when this one is, and waited for: it writes a checkpoint first. However it
    ends then, before it could listen or when it was done already, the exit code tells the signal.
    The main thread's only.
    """
    with listen() as stop, subprocess.Popen([*program, *arguments]) as process:
        told = False
        while True:
            try:
                code = process.wait(timeout=_LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if stop and not told:
                    process.send_signal(signal.SIGTERM)
                    told = True
    return code if stop.signal_number is None else 128 + stop.signal_number


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
