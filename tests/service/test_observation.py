"""What is counted of requests, whichever way they end."""

from __future__ import annotations

import asyncio

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from service.ipc.messages import Answer
from service.metrics import REGISTRY
from service.pulse import pulse
from service.settings import Settings
from service.web.app import create_app
from service.web.bridge import RequestRunner, RunningRequest, wait_for
from tests.service.fakes import FakeEngine

MODEL = "/v1/models/resnet50"
V2 = "/v2/models/resnet50"


def counted(dialect: str, status: int, version: str = "") -> float:
    labels = {"dialect": dialect, "status": str(status), "version": version}
    return REGISTRY.get_sample_value("hotshelf_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    "path",
    [
        *("/v2", "/v2/health/live", "/v2/health/ready", V2, f"{V2}/ready", f"{V2}/config"),
        *(f"{V2}/stats", "/v2/models/stats", "/v1/models", MODEL, f"{MODEL}/metadata"),
        "/v2/repository/index",
    ],
)
def test_a_question_about_the_model_is_no_prediction(client: FlaskClient, path: str) -> None:
    before, predictions = sum_of("metadata"), pulse()["requests"]
    answer = client.post(path) if path.endswith("index") else client.get(path)
    assert answer.status_code == 200
    assert sum_of("metadata") == before + 1
    assert pulse()["requests"] == predictions


def sum_of(dialect: str) -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "hotshelf_requests_total" and sample.labels["dialect"] == dialect
    )


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/predict", "simple"),
        (f"{MODEL}:predict", "v1"),
        (f"{MODEL}/labels/production:classify", "v1"),
        (f"{V2}/infer", "v2"),
    ],
)
def test_what_infers_is_a_prediction_also_when_it_is_refused(
    client: FlaskClient, path: str, dialect: str
) -> None:
    before, predictions = counted(dialect, 400), pulse()["requests"]
    assert client.post(path, data=b"nothing").status_code == 400
    assert counted(dialect, 400) == before + 1
    assert pulse()["requests"] == predictions + 1


def test_a_request_whose_client_has_left_is_counted(png: bytes) -> None:
    class Slow(FakeEngine):
        def infer(self, *arguments: object) -> Answer:
            never: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            return wait_for(never)

    def answered(status: str, headers: object, body: bytes) -> None:
        raise AssertionError("nobody waits for an answer")

    async def leave() -> None:
        runner = RequestRunner(create_app(Settings(), Slow()).wsgi_app)
        environ = EnvironBuilder("/predict", method="POST", data=png).get_environ()
        running = RunningRequest(environ, answered)
        runner.start(running)
        assert running.awaited is not None
        running.cancel()
        while not runner.idle:
            await asyncio.sleep(0)

    before = counted("simple", 499)
    asyncio.run(leave())
    assert counted("simple", 499) == before + 1
