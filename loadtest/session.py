"""What the users of one process share: images, known answers, versions, measurements, arrivals."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.arrivals import Desk
from loadtest.class_names import ClassNames
from loadtest.dialects import inference
from loadtest.health import ProcessHealth
from loadtest.known import KnownAnswers, read_expected
from loadtest.recorder import Recorder
from loadtest.samples import Samples, read_samples
from loadtest.versions import DEFAULT, VersionWatch

_ASK_S = 10.0
_ALL = 1_000_000


class SessionError(Exception):
    """A run can't begin; the message says what is missing and what to do."""


@dataclass
class Session:
    """One process' share of a run against the service at `host`."""

    host: str
    options: Any
    samples: Samples
    classes: ClassNames
    known: KnownAnswers
    recorder: Recorder
    watch: VersionWatch
    desk: Desk = field(default_factory=Desk)
    health: ProcessHealth = field(default_factory=ProcessHealth)

    @property
    def is_open_loop(self) -> bool:
        """Whether requests begin when they are due rather than when users are free."""
        return bool(self.options.rate) or self.options.shape == "knee"


def prepare(host: str, options: Any) -> Session:
    """Read images and what the service says of itself; raises SessionError."""
    try:
        samples = read_samples(Path(options.images))
        # Asked for now, so that a run that can't begin says so.
        names = _class_names(host, options, samples, "")
        expected = read_expected(Path(options.known), names) if options.known else {}
    except (OSError, ValueError) as error:
        raise SessionError(str(error)) from error
    clock_s = time.perf_counter
    watch = VersionWatch(
        lambda label: versions_behind(host, label), clock_s, settle_s=options.settle
    )

    def ask_names(version: str) -> list[str]:
        try:
            return _class_names(host, options, samples, version) if version else names
        except SessionError:
            return []

    known, classes = KnownAnswers(expected), ClassNames(ask_names)
    return Session(host, options, samples, classes, known, Recorder(clock_s), watch)


def versions_behind(host: str, label: str) -> frozenset[str]:
    """Return the versions that may answer for a label or for DEFAULT, none if it can't be told."""
    try:
        state = get_json(f"{host}/console/state")
    except SessionError:
        return frozenset()
    if label != DEFAULT:
        found = [state["labels"].get(label)]
    else:
        found = list(state["weights"]) or [state["default"]]
    return frozenset(str(each) for each in found if each is not None)


def get_json(url: str, *, data: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """Return the JSON that a URL answers with; raises SessionError."""
    request = urllib.request.Request(url, data, headers or {})  # noqa: S310 – the tester's own URL
    try:
        with urllib.request.urlopen(request, timeout=_ASK_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read()[:300].decode(errors="replace")
        raise SessionError(f"{url} answers {error.code}: {body}") from error
    except (OSError, ValueError) as error:
        raise SessionError(f"{url} doesn't answer as a Hotshelf service does: {error}") from error


def authorization(token: str) -> dict[str, str]:
    """Return the header that carries a token, none if there is no token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _class_names(host: str, options: Any, samples: Samples, version: str) -> list[str]:
    question = inference.ask_classes(options.model, samples.plain[:1], top=_ALL, version=version)
    headers = {**question.headers, **authorization(options.token or options.admin_token)}
    found = get_json(host + question.path, data=question.body, headers=headers)
    return inference.read_class_names(json.dumps(found).encode())
