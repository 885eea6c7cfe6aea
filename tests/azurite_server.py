"""The real Azurite, started for a test and stopped after it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

AZURITE = Path(__file__).parent / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob"
ACCOUNT = "devstoreaccount1"
# Azurite's own, published for development.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_LIMIT_S = 30.0
LISTENING = "successfully listens"


@dataclass(frozen=True)
class Azurite:
    """A running server."""

    host: str
    port: int

    @property
    def connection_string(self) -> str:
        return self.connection_string_at(self.port)

    def connection_string_at(self, port: int) -> str:
        """Return the connection string of this server as seen through another port."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://{self.host}:{port}/{ACCOUNT};"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to reach this server."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string, "NO_PROXY": self.host}


@contextmanager
def azurite_server(folder: Path, *switches: str) -> Iterator[Azurite]:
    """Run Azurite on a free loopback port, its data in memory; `folder` is its working folder.

    `switches` are more of its command line, such as `--oauth basic`.
    """
    program = AZURITE / "main.js"
    node = shutil.which("node")
    if not program.exists() or node is None:
        raise RuntimeError(
            "Azurite isn't installed and these tests run against the real one: run `make test`,"
            " or `npm ci --prefix tests/azurite` with Node.js 20 or newer"
        )
    host, port = "127.0.0.1", _free_port()
    arguments = ["--blobHost", host, "--blobPort", str(port)]
    quiet = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    process = subprocess.Popen(
        [node, str(program), *arguments, *quiet, *switches],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "NODE_ENV": "production"},
    )
    try:
        _wait_until_it_listens(process)
        yield Azurite(host, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Read what Azurite says until it says that it listens; keep reading after, unheard."""
    said: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        for line in process.stdout or ():
            if len(said) < 100:
                said.append(line)
            if LISTENING in line:
                ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True).start()
    ready.wait(START_LIMIT_S)
    if not any(LISTENING in line for line in said):
        raise RuntimeError("Azurite didn't start: " + "".join(said)[-2000:])
