"""Locust's shape of a run: how many users there are, and in an open loop what rate they meet."""

from __future__ import annotations

from typing import Any

from locust import LoadTestShape

from loadtest.levels import LEVELS

# Users are there before the first of them is needed.
_SPAWN_PER_S = 100


class Shape(LoadTestShape):
    """Follows --shape with --users, --rate and --run-time."""

    use_common_options = True

    def __init__(self) -> None:
        super().__init__()
        self._users = 0

    def tick(self) -> tuple[int, float] | None:
        """Return users and how fast they come, None at the end; called every second."""
        environment = self.runner.environment
        options, conductor = environment.parsed_options, environment.conductor
        if options.shape == "knee":
            return (_peak(options), _SPAWN_PER_S) if conductor.search_knee() else None
        run_s = options.run_time or float("inf")
        done_s = self.get_run_time()
        if done_s >= run_s:
            return None
        level = LEVELS[options.shape](done_s / run_s)
        if options.rate:
            conductor.set_rate(level * options.rate)
            return _peak(options), _SPAWN_PER_S
        users = max(1, round(level * _peak(options)))
        conductor.set_users(users)
        return users, options.spawn_rate or _SPAWN_PER_S


def _peak(options: Any) -> int:
    return int(options.num_users or 1)
