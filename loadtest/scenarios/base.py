"""What all users have in common: asking, judging, waiting for their turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from gevent.event import AsyncResult
from gevent.timeout import Timeout
from locust import FastHttpUser

from loadtest.dialects import tfserving
from loadtest.dialects.question import Question, Reply, read_json
from loadtest.faults import (
    MIXED_VERSIONS,
    OTHER_VERSION,
    Fault,
    Refused,
    WrongAnswer,
    misshapen,
)
from loadtest.session import Session, authorization
from loadtest.versions import DEFAULT

VERSION_HEADER = "Model-Version"
PATIENCE_S = 30.0


class Scenario(FastHttpUser):
    """A user whose every answer is judged; `scenario` is the name that verdicts use.

    In a closed loop it asks again when it has been answered, in an open one when its turn comes.
    """

    abstract = True
    scenario: ClassVar[str] = ""
    # Those with a pace of their own take no turns.
    takes_turns: ClassVar[bool] = True
    # Options without which it can't run (it does so only if --mix says so), and whether it asks
    # for what --label names.
    needs: ClassVar[tuple[str, ...]] = ()
    asks_label: ClassVar[bool] = False
    network_timeout = PATIENCE_S
    connection_timeout = PATIENCE_S

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session: Session = environment.session
        self.options = self.session.options
        self.samples = self.session.samples
        self._intended_s: float | None = None
        self._was_late = False

    def on_start(self) -> None:
        """Wait for the first turn."""
        if self._is_turned:
            self._wait_for_turn()

    def wait_time(self) -> float:
        """Return the pause before the next task; the wait for a turn is over by then."""
        if self._is_turned:
            self._wait_for_turn()
            return 0.0
        return float(self.options.pause)

    def ask(self, question: Question, name: str = "") -> Reply | None:
        """Ask, judge and record; return the reply if it is right."""
        begun_s = time.perf_counter()
        waited_ms = self._take_lateness_ms(begun_s)
        with self.client.post(
            question.path,
            data=question.body,
            headers={**question.headers, **authorization(self.options.token)},
            name=f"{self.scenario} {name or question.path.partition('?')[0]}",
            catch_response=True,
        ) as response:
            response.request_meta["response_time"] += waited_ms
            response.request_meta["context"] |= {
                "begun_s": begun_s,
                "late": self._was_late,
                "latency_ms": response.request_meta["response_time"],
                "version": (response.headers or {}).get(VERSION_HEADER, ""),
            }
            try:
                if response.status_code != 200 and self.excuses(question, response.status_code):
                    reply = None
                else:
                    reply = self._judge(question, response, begun_s)
            except Fault as fault:
                response.failure(fault)
                return None
            response.success()
            return reply

    def look(
        self,
        path: str,
        name: str = "",
        *,
        is_json: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Get what isn't a prediction: JSON or bytes, None if it wasn't to be had."""
        with self.client.get(
            path, name=f"{self.scenario} {name or path}", headers=headers, catch_response=True
        ) as response:
            try:
                if response.status_code != 200:
                    raise refusal(response)
                found = read_json(response.content or b"") if is_json else response.content
            except Fault as fault:
                response.failure(fault)
                return None
            response.success()
            return found

    def report(self, name: str, fault: Fault | None, begun_s: float | None = None) -> None:
        """Record something that was done by other means than `client`; None: it went well.

        `begun_s` is when an answer began to be waited for (now, where none was).
        """
        self.environment.events.request.fire(
            request_type="DO",
            name=f"{self.scenario} {name}",
            response_time=0,
            response_length=0,
            exception=fault,
            context={**self.context(), "begun_s": begun_s or time.perf_counter()},
        )

    def available_versions(self) -> list[str]:
        """Return the versions that answer, oldest first."""
        found = self.look(tfserving.model_path(self.options.model)) or {}
        versions = found.get("model_version_status", [])
        return [each["version"] for each in versions if each["state"] == "AVAILABLE"]

    def excuses(self, question: Question, status: int) -> bool:  # noqa: ARG002
        """Say whether a question was rightly refused."""
        return False

    def context(self) -> dict[str, Any]:
        """Say whose request it is to those who listen to all."""
        return {"scenario": self.scenario}

    def _judge(self, question: Question, response: Any, begun_s: float) -> Reply:
        if response.status_code != 200:
            raise refusal(response)
        headers = {key.lower(): value for key, value in response.headers.items()}
        reply = question.read(headers, response.content or b"")
        if len(reply.images) != len(question.samples):
            raise misshapen(f"{len(reply.images)} answers to {len(question.samples)} images")
        version = _version(headers, reply)
        if question.version and version != question.version:
            raise WrongAnswer(
                OTHER_VERSION, f"asked version {question.version}, version {version} answered"
            )
        if not question.version:
            self.session.watch.judge(question.label or DEFAULT, version, begun_s)
        for sample, ranked in zip(question.samples, reply.images, strict=True):
            self.session.known.judge(version, sample, ranked)
        return reply

    @property
    def _is_turned(self) -> bool:
        return self.takes_turns and self.session.is_open_loop

    def _wait_for_turn(self) -> None:
        desk = self.session.desk
        overdue_s = desk.take_overdue(self.scenario)
        self._was_late = overdue_s is not None
        if overdue_s is None:
            turn: Any = AsyncResult()
            desk.queue(self.scenario, turn)
            try:
                overdue_s = turn.get()
            finally:
                desk.leave(self.scenario, turn)
        self._intended_s = overdue_s

    def _take_lateness_ms(self, begun_s: float) -> float:
        """Only the first request of a turn had a moment at which it ought to begin."""
        intended_s, self._intended_s = self._intended_s, None
        if intended_s is None:
            self._was_late = False
            return 0.0
        return max(0.0, begun_s - intended_s) * 1000


def refusal(response: Any) -> Refused:
    """Return the fault of an answer that isn't 200, or that never came."""
    if response.status_code:
        return Refused(f"status {response.status_code}", (response.text or "").strip()[:200])
    error = getattr(response, "error", None)
    if isinstance(error, TimeoutError | Timeout):
        return Refused(f"no answer within {PATIENCE_S:g} s", str(error))
    return Refused("connection lost or refused", f"{type(error).__name__}: {error}")


def _version(headers: Mapping[str, str], reply: Reply) -> str:
    version = headers.get(VERSION_HEADER.lower(), "")
    if not version:
        raise misshapen(f"the answer has no header {VERSION_HEADER}")
    if reply.version and reply.version != version:
        raise WrongAnswer(MIXED_VERSIONS, f"header {version}, body {reply.version}")
    return version
