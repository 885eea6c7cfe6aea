from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.correlation import NOBODY, Correlation, RequestIds, enter
from service.logs import JsonLines, TextLines
from service.settings import Settings
from service.web.app import create_app
from tests.doc_blocks import ROOT
from tests.service.fakes import FakeEngine

SECRET = "s3cret-s3cret-s3cret"

EMPTY: dict[str, int] = {}

Read = Callable[[], str]


@pytest.fixture
def logged() -> Iterator[Callable[[logging.Formatter], Read]]:
    """Give what is logged, formatted; everything is as before at the end."""
    root, before = logging.getLogger(), logging.getLogger().level
    added: list[logging.Handler] = []

    def attach(formatter: logging.Formatter) -> Read:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        root.addHandler(handler)
        added.append(handler)
        return stream.getvalue

    root.setLevel(logging.INFO)
    yield attach
    for each in added:
        root.removeHandler(each)
    root.setLevel(before)
    enter(NOBODY)


Attach = Callable[[logging.Formatter], Read]


def test_json_says_the_same_names_in_every_line(logged: Attach) -> None:
    read = logged(JsonLines("engine"))
    enter(Correlation("abc-1"))
    logging.getLogger("some.module").warning("%d of %d", 1, 2)
    event = json.loads(read())
    assert event.pop("time").endswith("Z")
    assert event.pop("pid") > 0
    assert event == {
        "level": "warning",
        "process": "engine",
        "logger": "some.module",
        "message": "1 of 2",
        "request_id": "abc-1",
    }


def test_an_error_is_one_line_of_json_with_its_traceback(logged: Attach) -> None:
    read = logged(JsonLines("engine"))
    try:
        EMPTY["no way"]
    except KeyError:
        logging.getLogger("x").exception("failed")
    (line,) = read().splitlines()
    assert "\nKeyError: 'no way'" in json.loads(line)["traceback"]


def test_what_ends_a_process_is_logged_in_the_same_form() -> None:
    program = "from service.logs import *; set_up_logging('engine', 'info', 'json'); 1 / 0"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    event = json.loads(ended.stderr)
    assert (ended.returncode, event["level"], event["process"]) == (1, "critical", "engine")
    assert "ZeroDivisionError" in event["traceback"]


ASK_A_STORE = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import urllib3

from service.logs import set_up_logging


class Store(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


set_up_logging("engine", "debug", "text")
server = HTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
urllib3.request("GET", f"{address}/shelf/catalog.json?sv=2024-11-04&sig=s3cret-s3cret-s3cret")
print("asked")
"""


def test_a_sas_token_is_not_logged_at_any_level() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK_A_STORE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert asked.stdout == "asked\n", asked.stderr
    assert SECRET not in asked.stderr


def test_text_names_the_request_and_keeps_a_message_in_one_line(logged: Attach) -> None:
    read = logged(TextLines("http"))
    enter(Correlation("abc-1"))
    logging.getLogger("x").info("path %s", "/a\n2026-01-01 ERROR forged")
    (line,) = read().splitlines()
    assert line.endswith("path /a\\n2026-01-01 ERROR forged request=abc-1")


@pytest.mark.parametrize("sent", ["abc", "4f1d-22:x/y=z+@.w", "a" * 128])
def test_a_sane_id_is_kept(sent: str) -> None:
    assert RequestIds().choose(sent) == sent


@pytest.mark.parametrize("sent", [None, "", "a b", "a\nb", "ä", "<b>", '"', "a" * 129, "-a"])
def test_any_other_id_is_replaced(sent: str | None) -> None:
    ids = RequestIds()
    assert ids.choose(sent) != ids.choose(sent)


def test_the_answer_carries_the_id_errors_too(client: FlaskClient, png: bytes) -> None:
    mine = client.post("/predict", data=png, headers={"X-Request-Id": "mine"})
    assert mine.headers["X-Request-Id"] == "mine"
    wrong = client.post("/predict", data=b"no image")
    nowhere = client.get("/no/such/path")
    made = {wrong.headers["X-Request-Id"], nowhere.headers["X-Request-Id"]}
    assert len(made) == 2


def test_the_engine_is_told_whose_images_it_gets(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    client.post("/predict", data=png, headers={"X-Request-Id": "mine"})
    assert engine.correlations[-1].request_id == "mine"


def test_an_unexpected_error_is_logged_with_its_request(
    client: FlaskClient, engine: FakeEngine, png: bytes, logged: Attach
) -> None:
    read = logged(JsonLines("http"))
    engine.surprise = RuntimeError("a bug")
    answer = client.post("/predict", data=png, headers={"X-Request-Id": "mine"})
    assert answer.status_code == 500
    event = json.loads(read().splitlines()[-1])
    assert (event["level"], event["request_id"]) == ("error", "mine")
    assert "RuntimeError: a bug" in event["traceback"]


def test_the_access_log_has_a_line_per_request_without_secrets(
    engine: FakeEngine, png: bytes, logged: Attach
) -> None:
    read = logged(JsonLines("http"))
    app: Flask = create_app(Settings(access_log=True), engine)
    app.test_client().post(
        f"/predict?top=1&key={SECRET}",
        data=png,
        headers={"Authorization": f"Bearer {SECRET}", "X-Request-Id": "mine"},
    )
    assert SECRET not in read()
    (event,) = map(json.loads, read().splitlines())
    facts = ("request_id", "method", "path", "status", "dialect", "version", "bytes_in")
    assert [event[each] for each in facts] == [
        "mine", "POST", "/predict", 200, "simple", "3", len(png),
    ]  # fmt: skip
    assert event["duration_ms"] >= 0


def test_there_is_no_access_log_unless_it_is_asked_for(
    client: FlaskClient, png: bytes, logged: Attach
) -> None:
    read = logged(JsonLines("http"))
    client.post("/predict", data=png)
    assert read() == ""
