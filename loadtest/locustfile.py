"""Applications that send images: most to whatever version is served, some pinned to one.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

`--images DIR` sends the images under a folder instead of the bundled examples.
"""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant, events, task

from loadtest.answers import VERSION_HEADER, wrong_prediction, wrong_rows
from loadtest.images import DEFAULT_FOLDER, read_images

TOP = 5
IMAGES: list[bytes] = []


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Add our own options to Locust's."""
    parser.add_argument(
        "--images", default=str(DEFAULT_FOLDER), help="folder with the images to send"
    )
    parser.add_argument("--model", default="resnet50", help="name of the served model")


@events.init.add_listener
def read(environment: Any, **_: Any) -> None:
    """Read the images once for all users."""
    if environment.parsed_options is not None:
        IMAGES[:] = read_images(Path(environment.parsed_options.images))


class Application(FastHttpUser):
    """Sends one image at a time to `/predict`, as fast as the answers come."""

    weight = 4
    wait_time = constant(0)

    @task
    def predict(self) -> None:
        """Predict and check the answer."""
        with self.client.post(
            f"/predict?top={TOP}", data=random.choice(IMAGES), catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}: {response.text}")
                return
            wrong = wrong_prediction(response.json(), TOP)
            if not wrong and VERSION_HEADER not in response.headers:
                wrong = f"the answer has no {VERSION_HEADER} header"
            if wrong:
                response.failure(wrong)


class PinnedApplication(FastHttpUser):
    """Sticks to the version that was the newest when it began, in TensorFlow Serving's dialect."""

    weight = 1
    wait_time = constant(0)

    def on_start(self) -> None:
        """Choose a version."""
        self.model = f"/v1/models/{self.environment.parsed_options.model}"
        self.version = self.newest()

    @task
    def predict(self) -> None:
        """Predict with the pinned version; choose another once it has left by regular means."""
        content = base64.b64encode(random.choice(IMAGES)).decode()
        with self.client.post(
            f"{self.model}/versions/{self.version}:predict",
            data=json.dumps({"instances": [{"b64": content}]}),
            headers={"Content-Type": "application/json"},
            name=f"{self.model}/versions/N:predict",
            catch_response=True,
        ) as response:
            if response.status_code == 404 and self.version not in self.available():
                response.success()
                self.version = self.newest()
            elif response.status_code != 200:
                response.failure(f"status {response.status_code}: {response.text}")
            elif response.headers.get(VERSION_HEADER) != self.version:
                response.failure(f"asked version {self.version}, another one answered")
            elif wrong := wrong_rows(response.json(), 1):
                response.failure(wrong)

    def available(self) -> list[str]:
        """Return the versions that are being served, oldest first."""
        versions = self.client.get(self.model).json()["model_version_status"]
        return [each["version"] for each in versions if each["state"] == "AVAILABLE"]

    def newest(self) -> str:
        """Return the newest version that is being served."""
        return self.available()[-1]
