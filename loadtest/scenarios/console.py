"""A person who has the console open in a browser."""

from __future__ import annotations

import re

from locust import tag, task

from loadtest.dialects import simple
from loadtest.scenarios.base import Scenario

_REFERENCES = re.compile(rb'(?:href|src)="(/console/[^"]+)"')
# Who takes anything at the service's address gets no page.
_BROWSER = {"Accept": "text/html,*/*;q=0.8"}


class ConsoleVisitor(Scenario):
    """Opens the page with all it refers to, looks at the charts, drops an image."""

    scenario = "console"
    weight = 1

    def on_start(self) -> None:
        """Open the page."""
        self._open_page()
        super().on_start()

    @tag("console")
    @task(1)
    def come_back(self) -> None:
        """Open the page again."""
        self._open_page()

    @tag("console")
    @task(10)
    def watch(self) -> None:
        """Refresh what the page shows."""
        self.look("/console/state")
        self.ask(simple.ask_bytes(self.samples.one_mixed()), "/predict (console)")

    def _open_page(self) -> None:
        page = self.look("/", is_json=False, headers=_BROWSER)
        for path in _REFERENCES.findall(page or b""):
            self.look(path.decode(), "/console/…", is_json=False)
