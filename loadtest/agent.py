"""One process that generates load: hands out turns, listens to its requests, watches itself."""

from __future__ import annotations

import time
from typing import Any

import gevent

from loadtest.arrivals import Schedule, Turns
from loadtest.health import CpuMeter, ProcessHealth
from loadtest.recorder import Ended
from loadtest.session import Session

# Often enough to see a thread that is held up, too seldom to hold it up.
_LAG_LOOK_S = 0.02
_SECOND_S = 1.0
_NEVER_S = 3600.0


class Agent:
    """Runs beside the users of one process, for the time of one run."""

    def __init__(self, session: Session, environment: Any) -> None:
        self._session = session
        self._environment = environment
        self._schedule = Schedule()
        self._turns = Turns()
        self._changed = gevent.event.Event()
        self._greenlets: list[Any] = []

    def start(self) -> None:
        """Begin measuring."""
        self._session.recorder.begin()
        work = (self._hand_out_turns, self._watch_cpu, self._watch_lag)
        self._greenlets = [gevent.spawn(each) for each in work]

    def stop(self) -> None:
        """End what runs beside the users."""
        gevent.killall(self._greenlets)

    def change_rate(self, rate: float) -> None:
        """Have so many requests a second begin from now on."""
        self._schedule.change(rate, time.perf_counter())
        self._changed.set()

    def heard(
        self,
        *,
        name: str,
        response_time: float,
        exception: Exception | None,
        context: dict[str, Any],
        **_: Any,
    ) -> None:
        """Count a request (a listener of Locust's `request`).

        Scenarios of other origin, which say nothing in `context`, are counted by the request's
        name.
        """
        begun_s = context.get("begun_s", time.perf_counter() - response_time / 1000)
        self._session.recorder.record(
            Ended(
                scenario=context.get("scenario", name),
                begun_s=begun_s,
                latency_ms=context.get(
                    "latency_ms", None if "scenario" in context else response_time
                ),
                fault=exception,
                version=context.get("version", ""),
                late=context.get("late", False),
            )
        )

    def take(self) -> dict[str, Any]:
        """Return what was measured since the last time, in a form that travels."""
        health, self._session.health = self._session.health, ProcessHealth()
        return {**self._session.recorder.take(), "health": health.to_plain()}

    def _hand_out_turns(self) -> None:
        while True:
            now_s = time.perf_counter()
            due = self._schedule.take_due(now_s)
            weights = self._weights() if due else {}
            for intended_s in due:
                if weights:
                    self._session.desk.give(self._turns.take(weights), intended_s)
            pause_s = min(_NEVER_S, max(0.0, self._schedule.next_s - time.perf_counter()))
            self._changed.wait(pause_s)
            self._changed.clear()

    def _weights(self) -> dict[str, float]:
        """Weights of the scenarios that have users in this process and take turns."""
        counts = self._environment.runner.user_classes_count
        return {
            each.scenario: each.weight
            for each in self._environment.user_classes
            if getattr(each, "takes_turns", False) and counts.get(each.__name__)
        }

    def _watch_cpu(self) -> None:
        meter = CpuMeter()
        while True:
            gevent.sleep(_SECOND_S)
            self._session.health.cpu_shares.append(round(meter.share(), 3))

    def _watch_lag(self) -> None:
        while True:
            due_s = time.perf_counter() + _LAG_LOOK_S
            gevent.sleep(_LAG_LOOK_S)
            self._session.health.lag.add(max(0.0, time.perf_counter() - due_s) * 1000)
