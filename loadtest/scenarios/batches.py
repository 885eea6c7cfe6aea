"""Applications that send several images at once."""

from __future__ import annotations

import random

from locust import tag, task

from loadtest.dialects import simple
from loadtest.scenarios.base import Scenario


class Batches(Scenario):
    """From two images a request to `--batch`, as base64 or as a form."""

    scenario = "batches"
    weight = 1

    @tag("batches", "simple")
    @task
    def send_json(self) -> None:
        """Send base64 in JSON."""
        self.ask(simple.ask_json(self.samples.some_mixed(self._size())), "/predict (several, JSON)")

    @tag("batches", "simple")
    @task
    def send_form(self) -> None:
        """Send a form with several files."""
        self.ask(simple.ask_form(self.samples.some_mixed(self._size())), "/predict (several, form)")

    def _size(self) -> int:
        return random.randint(2, max(2, int(self.options.batch)))
