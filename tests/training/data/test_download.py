import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.training.fakes import RecordedBars
from training.data.download import Remote, download
from training.errors import DownloadError

CONTENT = bytes(range(256)) * 20_000


class Server:
    """A web server on loopback with one file; says what it was asked for."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges: list[str | None] = []
        self.break_after: int | None = None
        self.knows_ranges = True
        self.status: int | None = None
        self.url = ""

    def remote(self) -> Remote:
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        return Remote(url=self.url, name="file.zip", size_bytes=len(CONTENT), sha256=sha256)


@contextmanager
def serving(server: Server) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.ranges.append(wanted)
            if server.status:
                self.send_error(server.status)
                return
            start = int(wanted[6:-1]) if wanted and server.knows_ranges else 0
            body = server.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: server.break_after])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{httpd.server_port}/file.zip"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with serving(server):
        yield server


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path, bars: RecordedBars) -> None:
    path = download(server.remote(), tmp_path / "data", bars)
    assert path == tmp_path / "data" / "file.zip"
    assert path.read_bytes() == CONTENT
    assert bars.bars[0].done == bars.bars[0].total == len(CONTENT)
    assert download(server.remote(), tmp_path / "data", bars) == path
    assert server.ranges == [None]


def test_a_download_that_broke_off_goes_on_where_it_stopped(
    server: Server, tmp_path: Path, bars: RecordedBars
) -> None:
    server.break_after = 3_000_000
    with pytest.raises(DownloadError, match=r"start again to go on"):
        download(server.remote(), tmp_path, bars)
    have = (tmp_path / "file.zip.part").stat().st_size
    assert have > 0
    server.break_after = None
    assert download(server.remote(), tmp_path, bars).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={have}-"]


def test_a_server_that_knows_no_ranges_is_read_from_the_start(
    server: Server, tmp_path: Path, bars: RecordedBars
) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:1000])
    server.knows_ranges = False
    assert download(server.remote(), tmp_path, bars).read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_refused_and_deleted(
    server: Server, tmp_path: Path, bars: RecordedBars
) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match="isn't the published file"):
        download(server.remote(), tmp_path, bars)
    assert not (tmp_path / "file.zip").exists()
    assert not (tmp_path / "file.zip.part").exists()


def test_a_part_that_was_damaged_on_disk_is_noticed_at_the_end(
    server: Server, tmp_path: Path, bars: RecordedBars
) -> None:
    (tmp_path / "file.zip.part").write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="isn't the published file"):
        download(server.remote(), tmp_path, bars)
    assert download(server.remote(), tmp_path, bars).read_bytes() == CONTENT


def test_an_error_of_the_server_is_told(server: Server, tmp_path: Path, bars: RecordedBars) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match="the server answered 404"):
        download(server.remote(), tmp_path, bars)


def test_a_server_that_is_not_there_is_told(tmp_path: Path, bars: RecordedBars) -> None:
    server = Server()
    with serving(server):
        pass
    with pytest.raises(DownloadError, match=r"can't be reached .*make data DATA=path"):
        download(server.remote(), tmp_path, bars)
