"""The one process that leads a run: sets the rate, gathers measurements, and judges in the end."""

from __future__ import annotations

import math
import sys
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import gevent
from locust.runners import MasterRunner

from loadtest.knee import KneeSearch
from loadtest.memory import listener, resident_mb, told_mb
from loadtest.objectives import parse_objectives, with_defaults
from loadtest.run import Run
from loadtest.verdict import judge_tally

RATE = "hotshelf_rate"
_LOOK_S = 1.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The first answers at a new rate still come from the old one.
_SETTLE_S = 1.0
_SEEN_LEAST_S = 3.0
# Workers report every 3 s.
_REPORTS_S = 4.0
_KEEPS_UP = 0.9
_ASKED = (
    "host", "slo", "mix", "shape", "rate", "num_users", "run_time", "batch", "pause", "images",
    "model", "label", "step",
)  # fmt: skip


class Conductor:
    """Leads one run of an environment's local or master runner."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._options = environment.parsed_options
        self._rate = -1.0
        self._begun_s = time.perf_counter()
        self._watching: Any = None
        self._notes: list[str] = []
        self._search: KneeSearch | None = None
        self._step_begun_s = 0.0
        self.run = self._new_run()

    def start(self) -> None:
        """Begin a run."""
        self.run = self._new_run()
        self._begun_s = time.perf_counter()
        self._rate, self._search = -1.0, None
        if self._options.watch_memory == "yes":
            self._watching = gevent.spawn(self._watch_memory)

    def stop(self) -> None:
        """Note how long it took; nothing is measured any more."""
        self.run.duration_s = self.seconds
        if self._watching is not None:
            self._watching.kill()

    def note(self, text: str) -> None:
        """Have all runs say something beside their verdict."""
        self._notes.append(text)

    @property
    def is_open_loop(self) -> bool:
        """Whether levels are requests a second; users otherwise."""
        return bool(self._options.rate) or self._options.shape == "knee"

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._begun_s

    def set_rate(self, rate: float) -> None:
        """Have all processes together begin so many requests a second."""
        rate = round(rate, 3)
        if rate == self._rate:
            return
        self._rate = rate
        self.run.levels.append((self.seconds, rate))
        runner = self._environment.runner
        processes = getattr(runner, "worker_count", 1) or 1
        runner.send_message(RATE, {"rate": rate / processes})

    def set_users(self, users: int) -> None:
        """Note how many users there are to be."""
        if not self.run.levels or self.run.levels[-1][1] != users:
            self.run.levels.append((self.seconds, users))

    def search_knee(self) -> bool:
        """Look whether a step of the search is over; return False once the knee is known."""
        if self._search is None:
            self._search = KneeSearch(self._options.rate or 10.0)
            self._step_begun_s = self.seconds
        elif self.seconds - self._step_begun_s >= self._step_s:
            self._search.tell(self._broke_since(self._step_begun_s + _SETTLE_S))
            self.run.knee = list(self._search.steps)
            self._step_begun_s = self.seconds
        if self._search.is_over:
            return False
        self.set_rate(self._search.rate)
        return True

    def _broke_since(self, begun_s: float) -> str:
        """Return what didn't hold since a time, '' if all did; whole seconds that are known yet."""
        since_s, until_s = math.ceil(begun_s), math.floor(self.seconds - self._behind_s)
        timeline, seconds = self.run.timeline, until_s - since_s
        objectives = with_defaults(parse_objectives(self._options.slo))
        for scenario in timeline.scenarios():
            tally = timeline.total(scenario, since_s=since_s, until_s=until_s)
            for each in judge_tally(tally, seconds, objectives, scenario):
                if not each.holds:
                    return f"{each.objective} in {each}"
        ended = timeline.total(since_s=since_s, until_s=until_s).requests / seconds
        # Where fewer are answered than are sent, the others wait.
        if ended < _KEEPS_UP * self._rate:
            return f"{ended:,.0f}/s were answered"
        return ""

    @property
    def _step_s(self) -> float:
        """How long a rate is held: as was asked for, but long enough to see whole seconds of it."""
        return float(max(self._options.step, _SETTLE_S + self._behind_s + _SEEN_LEAST_S))

    @property
    def _behind_s(self) -> float:
        """How long ago measurements may have been made that aren't here yet."""
        return _REPORTS_S if isinstance(self._environment.runner, MasterRunner) else 1.0

    def _new_run(self) -> Run:
        asked = {name: getattr(self._options, name, None) for name in _ASKED}
        asked["host"] = self._environment.host or asked["host"]
        begun_at = datetime.now(UTC).isoformat(timespec="seconds")
        return Run(begun_at, asked, notes=list(self._notes))

    def _watch_memory(self) -> None:
        place = urlsplit(self._environment.host or "")
        # The tables of processes and sockets are Linux'.
        here = place.hostname in _LOOPBACK and sys.platform == "linux"
        process = listener(place.port or 80) if here else None
        while True:
            found = resident_mb(process) if process else told_mb(_metrics(self._environment.host))
            if found:
                self.run.memory.append((self.seconds, found))
            gevent.sleep(_LOOK_S)


def _metrics(host: str) -> str:
    try:
        with urllib.request.urlopen(f"{host}/metrics", timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""
