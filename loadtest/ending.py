"""The end of a run: verdict, files, exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from loadtest.report.page import write_report
from loadtest.verdict import judge


def end(environment: Any) -> None:
    """Say the verdict, write what was asked for, and set the exit code."""
    run = environment.conductor.run
    options = environment.parsed_options
    verdict = judge(run)
    if options.result:
        run.write(Path(options.result))
    if options.report:
        write_report(run, verdict, Path(options.report))
    for note in run.notes:
        say(note)
    say(verdict.line)
    environment.process_exit_code = verdict.outcome.value


def say(line: str) -> None:
    """Print one line for people, whatever else is redirected."""
    sys.stderr.flush()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
