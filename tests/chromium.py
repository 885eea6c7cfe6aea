"""A headless Chromium, driven over the pipe of its DevTools protocol; no other program between."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.eventually import eventually

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
ANSWER_S = 30.0
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


class Page:
    """One tab. `complaints` are errors that Chromium logs, `requested` all addresses asked for."""

    def __init__(self, browser: _Connection) -> None:
        self._browser = browser
        self.complaints: list[str] = []
        self.requested: list[str] = []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        browser.listen(self._session, self._heard)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, session=self._session, **parameters)

    def look(self, *, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        """Take a window size and a colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_until("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression (or the promise it gives) comes to."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_until(self, expression: str, *, within_s: float = 20.0) -> None:
        eventually(lambda: bool(self.evaluate(expression)), within_s=within_s, what=expression)

    def text(self, selector: str) -> str:
        """Return the text of an element as people see it."""
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def choose_file(self, selector: str, *files: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(each) for each in files])

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, *, text: str = "") -> None:
        """Press and release a key as a keyboard would."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        facts = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        typed = {"text": text or ("\r" if key == "Enter" else "")}
        self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _heard(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(
                f"{parameters['entry']['text']} {parameters['entry'].get('url')}"
            )
        elif method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])


class _Connection:
    """Requests to Chromium and what it says unasked, over two pipes of messages ending in NUL."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to = os.fdopen(to_browser, "wb", buffering=0)
        self._from = os.fdopen(from_browser, "rb", buffering=0)
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._listeners: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers[number] = answer
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._to.write(json.dumps(message).encode() + b"\0")
        said = answer.get(timeout=ANSWER_S)
        if "error" in said:
            raise AssertionError(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    def listen(self, session: str, heard: Any) -> None:
        self._listeners[session] = heard

    def close(self) -> None:
        self._to.close()
        self._reader.join()
        self._from.close()

    def _read(self) -> None:
        rest = b""
        while chunk := self._from.read(65536):
            *messages, rest = (rest + chunk).split(b"\0")
            for each in map(json.loads, messages):
                if "id" in each:
                    self._answers.pop(each["id"]).put(each)
                elif each.get("sessionId") in self._listeners:
                    self._listeners[each["sessionId"]](each["method"], each["params"])


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Run a browser with a fresh profile in `folder`; yield its page."""
    assert PROGRAM is not None
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    # Chromium reads from descriptor 3 and writes to 4; a shell that knows large ones gives them.
    redirect = f'exec "$@" 3<&{read_commands} 4>&{write_answers}'
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                redirect,
                "bash",
                PROGRAM,
                *FLAGS,
                f"--user-data-dir={folder / 'profile'}",
            ],
            pass_fds=(read_commands, write_answers),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(read_commands)
    os.close(write_answers)
    connection = _Connection(write_commands, read_answers)
    try:
        yield Page(connection)
    finally:
        connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
