"""Applications that send one image after another, in whatever format and size they have."""

from __future__ import annotations

from locust import tag, task

from loadtest.dialects import simple
from loadtest.scenarios.base import Scenario


class SingleImages(Scenario):
    """One image a request to `/predict`, as the body or as a form."""

    scenario = "single"
    weight = 6

    @tag("single", "simple")
    @task(3)
    def send_bytes(self) -> None:
        """Send the image itself."""
        self.ask(simple.ask_bytes(self.samples.one_mixed()))

    @tag("single", "simple")
    @task(1)
    def send_form(self) -> None:
        """Send a form with a file."""
        self.ask(simple.ask_form([self.samples.one_mixed()]), "/predict (form)")
