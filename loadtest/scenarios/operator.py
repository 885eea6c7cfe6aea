"""An operator who moves a label in the middle of everything, and rolls it back."""

from __future__ import annotations

from typing import Any

import gevent
from locust import constant, tag, task

from loadtest.dialects import tfserving
from loadtest.faults import Refused
from loadtest.scenarios.base import Scenario, refusal
from loadtest.session import authorization

_EVERY_S = 3.0
# A version that is gone within milliseconds can't be told from one that answers when it shouldn't:
# who was answered by it asks the service too late.
_STAYS_S = 1.5
_LOOKS = 120
_BETWEEN_LOOKS_S = 0.25


class Operator(Scenario):
    """One person: points `--label` at another version, sees it answer, rolls back, sees that.

    Leaves the label where it was. Needs `--admin-token`, and two versions that are served.
    """

    scenario = "operator"
    takes_turns = False
    needs = ("admin_token",)
    asks_label = True
    weight = 1
    wait_time = constant(_EVERY_S)

    def on_start(self) -> None:
        """Nothing has been moved yet."""
        self._moved = False

    def on_stop(self) -> None:
        """Leave the label where it was."""
        if self._moved:
            self._roll_back()

    @tag("operator")
    @task
    def move_and_roll_back(self) -> None:
        """Move the label and roll it back, looking each time that it is followed."""
        before = self._pointed_at()
        others = [each for each in self.available_versions() if each != before]
        if before and others and self._move(others[-1], before):
            self._moved = True
            self._see(others[-1])
            gevent.sleep(_STAYS_S)
            self._roll_back()
            self._see(before)

    def _pointed_at(self) -> str:
        state = self._administer("GET", "/admin") or {}
        return str(state.get("labels", {}).get(self.options.label, ""))

    def _move(self, version: str, expected: str) -> bool:
        body = {"version": int(version), "expected": int(expected)}
        return self._administer("PUT", f"/admin/labels/{self.options.label}", body) is not None

    def _roll_back(self) -> None:
        if self._administer("POST", "/admin/rollback", {"label": self.options.label}) is not None:
            self._moved = False

    def _see(self, version: str) -> None:
        """Ask by the label until the version answers, which may have to be loaded first."""
        question = tfserving.ask_predict(
            self.options.model,
            [self.samples.one_plain()],
            self.session.classes,
            label=self.options.label,
        )
        for _ in range(_LOOKS):
            reply = self.ask(question, "/v1 labels/L:predict")
            if reply is not None and reply.version == version:
                return
            gevent.sleep(_BETWEEN_LOOKS_S)
        what = f"{self.options.label} was moved to {version}, which didn't answer by it in time"
        self.report("move of a label", Refused("a moved label wasn't followed", what))

    def _administer(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with self.client.request(
            method,
            path,
            json=body,
            headers=authorization(self.options.admin_token),
            name=f"{self.scenario} {method} {path}",
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(refusal(response))
                return None
            response.success()
            return response.json()
