"""Applications that stick to a version, or to a label."""

from __future__ import annotations

import itertools

from locust import tag, task

from loadtest.dialects import inference, simple, tfserving
from loadtest.dialects.question import Question
from loadtest.scenarios.base import Scenario


class PinnedVersions(Scenario):
    """Sticks to the version it chose, and takes another once that has been unloaded."""

    scenario = "pinned"
    weight = 2
    _turns = itertools.count()

    def on_start(self) -> None:
        """Choose a version."""
        self._version = self._choose()
        super().on_start()

    @tag("pinned", "simple")
    @task
    def ask_simple(self) -> None:
        """Name it in the query."""
        sample = self.samples.one_plain()
        self.ask(simple.ask_bytes(sample, version=self._version), "/predict?version=N")

    @tag("pinned", "v1")
    @task
    def ask_tfserving(self) -> None:
        """Name it in TensorFlow Serving's path."""
        question = tfserving.ask_predict(
            self.options.model,
            [self.samples.one_plain()],
            self.session.classes,
            version=self._version,
        )
        self.ask(question, "/v1 versions/N:predict")

    @tag("pinned", "v2")
    @task
    def ask_inference(self) -> None:
        """Name it in the path of the Open Inference Protocol."""
        question = inference.ask_classes(
            self.options.model, [self.samples.one_plain()], version=self._version
        )
        self.ask(question, "/v2 versions/N/infer")

    def excuses(self, question: Question, status: int) -> bool:
        """A version that isn't served any more is rightly not found."""
        if status != 404 or question.version in self.available_versions():
            return False
        self._version = self._choose()
        return True

    def _choose(self) -> str:
        """Return the newest version for the first user, the one before for the next, in turns.

        Chosen by chance, a version might have no user, and its faults would stay unseen.
        """
        versions = self.available_versions() or ["1"]
        return versions[-1 - next(self._turns) % len(versions)]


class Labels(Scenario):
    """Asks for whatever version `--label` points at."""

    scenario = "labels"
    asks_label = True
    weight = 1

    @tag("labels", "simple")
    @task
    def ask_simple(self) -> None:
        """Name it in the query."""
        question = simple.ask_bytes(self.samples.one_plain(), label=self.options.label)
        self.ask(question, "/predict?label=L")

    @tag("labels", "v1")
    @task
    def ask_tfserving(self) -> None:
        """Name it in the path."""
        question = tfserving.ask_predict(
            self.options.model,
            [self.samples.one_plain()],
            self.session.classes,
            label=self.options.label,
        )
        self.ask(question, "/v1 labels/L:predict")
