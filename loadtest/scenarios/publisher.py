"""A data scientist who publishes new versions while everybody asks."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess
from locust import tag, task

from loadtest.dialects import inference
from loadtest.faults import Refused
from loadtest.scenarios.base import Scenario

_ROOT = Path(__file__).resolve().parents[2]
_LOADED_WITHIN_S = 120.0
_BETWEEN_LOOKS_S = 0.5
_COMMAND_S = 600.0


class Publisher(Scenario):
    """One person: publishes the newest version of `--store` again and again, as new ones.

    Each has to be served and to answer as the one that it is a copy of. They are deleted in the
    end. Goes through the shelf's own command line, in a process of its own: what uploads take must
    not slow down those who measure.
    """

    scenario = "publisher"
    takes_turns = False
    needs = ("store",)
    weight = 1

    def on_start(self) -> None:
        """Bring the newest version here."""
        self._published: list[str] = []
        self._publishing: gevent.Greenlet | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="hotshelf-publisher-"))
        self._original = self.available_versions()[-1:]
        self._shelf("pull", "latest", str(self._folder / "version"))

    def on_stop(self) -> None:
        """Leave the shelf with the versions it had, and see that none comes later."""
        self._note_published()
        for version in reversed(self._published):
            self._shelf("delete", version, "--yes")
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_time(self) -> float:
        """Seconds between versions."""
        return float(self.options.publish_every)

    @tag("publisher")
    @task
    def publish(self) -> None:
        """Publish a copy and see it served."""
        folder = self._folder / "version"
        # Apart, so that the end of the run can't come between a version and the note of it.
        self._publishing = gevent.spawn(
            self._shelf, "publish", str(folder), "--data", str(folder / "manifest.json")
        )
        version = self._note_published()
        if version is not None and self._is_served(version):
            sample = self.samples.one_plain()
            self.ask(
                inference.ask_json(
                    self.options.model, [sample], self.session.classes, version=version
                ),
                "/v2 versions/N/infer (just published)",
            )

    def _note_published(self) -> str | None:
        """Wait for what is being published, note it for the end, and return its version."""
        made = None if self._publishing is None else self._publishing.get()
        self._publishing = None
        if made is None:
            return None
        version = str(made["version"])
        self._published.append(version)
        return version

    def _is_served(self, version: str) -> bool:
        until_s = time.monotonic() + _LOADED_WITHIN_S
        while time.monotonic() < until_s:
            if version in self.available_versions():
                return True
            gevent.sleep(_BETWEEN_LOOKS_S)
        what = f"version {version} was published and wasn't served within {_LOADED_WITHIN_S:g} s"
        self.report("swap", Refused("a published version wasn't served", what))
        return False

    def _shelf(self, command: str, *arguments: str) -> Any:
        """Run a command of the shelf; return what it says as JSON, None if it failed."""
        store = ["--store", self.options.store, "--model", self.options.model, "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "model_store", command, *arguments, *store],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            self.report(command, Refused(f"model_store {command} failed", said[-300:]))
            return None
        self.report(command, None)
        return json.loads(done.stdout)
