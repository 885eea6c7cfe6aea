"""Applications that have pixels and send them as binary tensors."""

from __future__ import annotations

import random

from locust import tag, task

from loadtest.dialects import inference
from loadtest.scenarios.base import Scenario


class Tensors(Scenario):
    """From one 64×64 image a request to `--batch`, as bytes, answered by bytes."""

    scenario = "tensors"
    weight = 1

    @tag("tensors", "v2")
    @task
    def send_pixels(self) -> None:
        """Send pixels."""
        pixels = self.samples.some_pixels(random.randint(1, int(self.options.batch)))
        question = inference.ask_binary(self.options.model, pixels, self.session.classes)
        self.ask(question, "/v2 infer (binary)")
