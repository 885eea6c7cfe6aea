"""Download one file over HTTP: with progress, going on where it broke off, checked at the end."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from training.errors import DownloadError
from training.progress import BYTES, Bars
from training.run.locking import lock

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0


class Remote(msgspec.Struct, frozen=True):
    """A public file: where it is, its name here, its size and its SHA-256 in hex."""

    url: str
    name: str
    size_bytes: int
    sha256: str


# Stanford publishes no checksum; size and SHA-256 are those that several independent public
# projects record for this URL (with the MD5 90528d7ca1a48142e341f4ef8d21d0de).
TINY_IMAGENET_ZIP = Remote(
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    name="tiny-imagenet-200.zip",
    size_bytes=248_100_043,
    sha256="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
)


def download(remote: Remote, folder: Path, bars: Bars) -> Path:
    """Return the file in `folder`, downloading what isn't there yet.

    A download that broke off is kept as `.part` and continued. Raises DownloadError when the
    server can't be reached, or sends something else than the file the checksum is of; what came
    is then deleted, so that the next try starts afresh.
    """
    target = folder / remote.name
    part = target.with_name(f"{remote.name}.part")
    with lock(target.with_name(f".{remote.name}.lock"), wait=True):
        if target.exists():
            return target
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_size > remote.size_bytes:
                part.unlink()
        _fetch_rest(remote, part, bars)
        _verify(remote, part, bars)
        part.rename(target)
    return target


def _fetch_rest(remote: Remote, part: Path, bars: Bars) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == remote.size_bytes:
        return
    request = urllib.request.Request(remote.url)  # noqa: S310 the URL is ours
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _network_errors(remote), urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
        resumes = response.status == http.HTTPStatus.PARTIAL_CONTENT
        _append(response, part, remote, have if resumes else 0, bars)
    have = part.stat().st_size
    if have < remote.size_bytes:
        raise DownloadError(
            f"{remote.url}: the connection ended after {have:,} of {remote.size_bytes:,} bytes; "
            "start again to go on"
        )


def _append(response: Any, part: Path, remote: Remote, have: int, bars: Bars) -> None:
    title = f"{'resuming' if have else 'downloading'} {remote.name}"
    with (
        part.open("ab" if have else "wb") as file,
        bars.open(title, total=remote.size_bytes, unit=BYTES, done=have) as bar,
    ):
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            bar.advance(len(chunk))


def _verify(remote: Remote, part: Path, bars: Bars) -> None:
    bars.say(f"checking {remote.name}")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != remote.sha256:
        part.unlink()
        raise DownloadError(
            f"{remote.url}: what came isn't the published file (SHA-256 {digest[:12]}…, expected "
            f"{remote.sha256[:12]}…); it was deleted"
        )


@contextlib.contextmanager
def _network_errors(remote: Remote) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        raise DownloadError(
            f"{remote.url}: the server answered {error.code} {error.reason}"
        ) from None
    except urllib.error.URLError as error:
        raise DownloadError(
            f"{remote.url}: can't be reached ({error.reason}); with a local copy: "
            "make data DATA=path"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{remote.url}: {error}; start again to go on") from None
