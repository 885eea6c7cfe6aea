"""Connects the parts of a run with Locust's events, in each kind of process.

A process that generates load has a session and an agent; the one that leads has a conductor. Where
a run has one process it is both, otherwise workers send their measurements with Locust's reports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import gevent
from locust.runners import MasterRunner, WorkerRunner

from loadtest import live
from loadtest.agent import Agent
from loadtest.conductor import RATE, Conductor
from loadtest.ending import end, say
from loadtest.mix import parse_mix
from loadtest.session import SessionError, prepare, versions_behind

_REPORT = "hotshelf"
_ONLY_PROCESS = "the load generator"
_TAKE_S = 0.5
NOT_STARTED_EXIT_CODE = 2


def connect(environment: Any, scenarios: Sequence[Any]) -> None:
    """Have this process play its part in the runs that come; exit if the first one can't begin."""
    runner = environment.runner
    leads, generates = not isinstance(runner, WorkerRunner), not isinstance(runner, MasterRunner)
    if leads:
        _choose(environment, scenarios)
        _Leader(environment, is_alone=generates).connect()
    if generates:
        _Generator(environment).connect()
    if leads and environment.host:
        _check(environment)


def _check(environment: Any) -> None:
    """End at once, with a reason, where no request could be right."""
    try:
        prepare(environment.host, environment.parsed_options)
        _check_needs(environment)
        _check_label(environment)
    except SessionError as error:
        say(f"The load test can't begin: {error}")
        sys.exit(NOT_STARTED_EXIT_CODE)


def _check_needs(environment: Any) -> None:
    for each in environment.user_classes:
        for name in getattr(each, "needs", ()):
            if not getattr(environment.parsed_options, name):
                option = name.replace("_", "-")
                raise SessionError(f"the scenario {each.scenario} needs --{option}")


def _check_label(environment: Any) -> None:
    """Leave out what asks for a label that isn't there, unless that was asked for."""
    options = environment.parsed_options
    asking = [each for each in environment.user_classes if getattr(each, "asks_label", False)]
    if not asking or versions_behind(environment.host, options.label):
        return
    names = ", ".join(each.scenario for each in asking)
    if options.mix:
        raise SessionError(
            f"the scenario {names} asks for the label {options.label!r}, which the service doesn't"
            " have; set it or name another one with --label"
        )
    environment.user_classes = [each for each in environment.user_classes if each not in asking]
    environment.conductor.note(f"without {names}: the service has no label {options.label!r}")


def _choose(environment: Any, scenarios: Sequence[Any]) -> None:
    """Leave the scenarios that have a weight and a task, and those of other origin."""
    options = environment.parsed_options
    weights = {each.scenario: each.weight for each in scenarios if not each.needs}
    if options.mix:
        weights = parse_mix(options.mix, [each.scenario for each in scenarios])
    for each in scenarios:
        each.weight = weights.get(each.scenario, 0)
        # Those with a pace of their own are one person each.
        each.fixed_count = int(bool(each.weight) and not each.takes_turns)
    environment.user_classes = [
        each
        for each in environment.user_classes
        if each.weight and (not options.tags or _tags(each) & set(options.tags))
    ]


def _tags(user: Any) -> set[str]:
    return set().union(*(getattr(task, "locust_tag_set", ()) for task in user.tasks))


class _Leader:
    """The process that has the conductor; where it `is_alone`, it has the users as well."""

    def __init__(self, environment: Any, *, is_alone: bool) -> None:
        self._environment = environment
        self._is_alone = is_alone
        self._conductor = environment.conductor = Conductor(environment)
        # Greenlets beside a run: taking measurements, showing them.
        self._beside: list[Any] = []

    def connect(self) -> None:
        """Listen to Locust's events."""
        events = self._environment.events
        events.test_start.add_listener(self._begin)
        # What users put back when they stop is no part of the time measured.
        events.test_stopping.add_listener(lambda **_: self._conductor.stop())
        events.test_stop.add_listener(self._finish)
        events.worker_report.add_listener(self._reported)
        if self._environment.parsed_options.headless:
            # All measurements of workers are here by then.
            events.quitting.add_listener(lambda **_: end(self._environment))

    def _begin(self, **_: Any) -> None:
        self._conductor.start()
        if self._is_alone:
            self._beside.append(gevent.spawn(self._take_always))
        if self._environment.parsed_options.headless:
            self._beside.append(live.start(self._conductor, self._environment.parsed_options))

    def _finish(self, **_: Any) -> None:
        gevent.killall(self._beside)
        if self._is_alone:
            self._take()
        if not self._environment.parsed_options.headless:
            # The page goes on, for the next run.
            end(self._environment)

    def _take_always(self) -> None:
        while True:
            gevent.sleep(_TAKE_S)
            self._take()

    def _take(self) -> None:
        agent = self._environment.agent
        if agent is not None:
            self._conductor.run.add(_ONLY_PROCESS, agent.take())

    def _reported(self, client_id: str, data: dict[str, Any]) -> None:
        if _REPORT in data:
            host = client_id.rpartition("_")[0]
            number = self._environment.runner.get_worker_index(client_id) + 1
            self._conductor.run.add(f"process {number} on {host}", data.pop(_REPORT))


class _Generator:
    """A process that has users, and an agent beside them."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        environment.agent = None
        # The first rate may be told before users and agent are there.
        self._rate = 0.0

    def connect(self) -> None:
        """Listen to Locust's events, and to the leader."""
        events, runner = self._environment.events, self._environment.runner
        events.test_start.add_listener(self._begin)
        events.test_stop.add_listener(self._finish)
        events.request.add_listener(self._heard)
        events.report_to_master.add_listener(self._report)
        runner.register_message(RATE, self._told_rate)
        if isinstance(runner, WorkerRunner):
            # The verdict is the leader's; requests that failed here are in it.
            self._environment.process_exit_code = 0

    def _begin(self, **_: Any) -> None:
        environment = self._environment
        try:
            environment.session = prepare(environment.host, environment.parsed_options)
        except SessionError as error:
            say(f"No load from this process: {error}")
            environment.runner.quit()
            return
        environment.agent = Agent(environment.session, environment)
        environment.agent.start()
        environment.agent.change_rate(self._rate)

    def _finish(self, **_: Any) -> None:
        if self._environment.agent is not None:
            self._environment.agent.stop()

    def _heard(self, **request: Any) -> None:
        self._environment.agent.heard(**request)

    def _report(self, data: dict[str, Any], **_: Any) -> None:
        if self._environment.agent is not None:
            data[_REPORT] = self._environment.agent.take()

    def _told_rate(self, msg: Any, **_: Any) -> None:
        self._rate = msg.data["rate"]
        if self._environment.agent is not None:
            self._environment.agent.change_rate(self._rate)
