"""Applications whose clients were written for other servers."""

from __future__ import annotations

from locust import tag, task

from loadtest.dialects import inference, tfserving
from loadtest.scenarios.base import Scenario


class TensorFlowServing(Scenario):
    """Speaks TensorFlow Serving's REST dialect."""

    scenario = "tfserving"
    weight = 2

    @tag("tfserving", "v1")
    @task(4)
    def predict_rows(self) -> None:
        """Ask for probabilities in rows."""
        samples = [self.samples.one_mixed()]
        question = tfserving.ask_predict(self.options.model, samples, self.session.classes)
        self.ask(question, "/v1 :predict (rows)")

    @tag("tfserving", "v1")
    @task(1)
    def predict_columns(self) -> None:
        """Ask for probabilities in columns, with pixels in JSON."""
        question = tfserving.ask_predict(
            self.options.model, self.samples.some_pixels(1), self.session.classes, columns=True
        )
        self.ask(question, "/v1 :predict (columns)")

    @tag("tfserving", "v1")
    @task(2)
    def classify(self) -> None:
        """Ask for labels."""
        question = tfserving.ask_classify(self.options.model, self.samples.some_mixed(2))
        self.ask(question, "/v1 :classify")


class OpenInference(Scenario):
    """Speaks the Open Inference Protocol v2 in JSON; `tensors` sends binary ones."""

    scenario = "v2"
    weight = 2

    @tag("v2")
    @task(3)
    def infer(self) -> None:
        """Ask for probabilities."""
        samples = [self.samples.one_mixed()]
        question = inference.ask_json(self.options.model, samples, self.session.classes)
        self.ask(question, "/v2 infer (JSON)")

    @tag("v2")
    @task(2)
    def classify(self) -> None:
        """Ask for the best classes."""
        question = inference.ask_classes(self.options.model, self.samples.some_mixed(2))
        self.ask(question, "/v2 infer (classes)")

    @tag("v2")
    @task(1)
    def look_around(self) -> None:
        """Ask whether the model is ready and what it is, as clients do when they connect."""
        self.look(f"/v2/models/{self.options.model}")
        self.ask(inference.ask_classes(self.options.model, [self.samples.one_plain()]))
