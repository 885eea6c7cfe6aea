"""Parse a store's URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from model_store.errors import InvalidStoreUrl
from model_store.names import show, why_not_a_path

FORMS = "file:///absolute/folder or az://ACCOUNT/CONTAINER/PREFIX"

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class FileUrl:
    """A shelf in a local folder."""

    root: Path

    def __str__(self) -> str:
        return "file://" + quote(str(self.root))


@dataclass(frozen=True, slots=True)
class AzureUrl:
    """A shelf in Azure Blob Storage; `prefix` has no slash at either end and may be empty."""

    account: str
    container: str
    prefix: str

    def __str__(self) -> str:
        return f"az://{self.account}/{self.container}/{self.prefix}".rstrip("/")


def parse_store_url(url: str) -> FileUrl | AzureUrl:
    """Return the parsed URL; raise InvalidStoreUrl with a hint for anything else."""
    if "://" not in url:
        raise InvalidStoreUrl(_hint_for_a_path(url))
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidStoreUrl(f"store URL {show(url)}: {error}; use {FORMS}") from error
    if parts.query or parts.fragment or "@" in parts.netloc:
        # The value is not shown: what stands there is often a SAS token or a key.
        raise InvalidStoreUrl(
            f"store URL {parts.scheme}://…: no '?', '#' or '@' may stand in it; credentials come"
            " from AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN"
        )
    if parts.scheme == "file":
        return _file_url(url, parts.netloc, parts.path)
    if parts.scheme == "az":
        return _azure_url(url, parts.netloc, parts.path)
    raise InvalidStoreUrl(f"store URL {show(url)}: unknown scheme; use {FORMS}")


def _hint_for_a_path(text: str) -> str:
    if not text.strip() or "\0" in text:
        return f"store URL {show(text)}: use {FORMS}"
    as_url = FileUrl(Path(text).absolute())
    return f"store URL {show(text)} is a plain path; write {as_url}"


def _file_url(url: str, host: str, path: str) -> FileUrl:
    folder = unquote(path)
    if host not in {"", "localhost"}:
        raise InvalidStoreUrl(
            f"store URL {show(url)} names the host {show(host)}; three slashes make a local"
            f" folder: file:///{host}{path}"
        )
    if "\0" in folder or ".." in folder.split("/") or not folder.strip("/"):
        raise InvalidStoreUrl(
            f"store URL {show(url)}: name an absolute folder below '/', without '..'"
        )
    return FileUrl(Path("/" + folder.strip("/")))


def _azure_url(url: str, account: str, path: str) -> AzureUrl:
    container, _, prefix = unquote(path).strip("/").partition("/")
    if not _ACCOUNT.fullmatch(account):
        raise InvalidStoreUrl(
            f"store URL {show(url)}: the account {show(account)} must be 3 to 24 of a-z 0-9"
        )
    if not _CONTAINER.fullmatch(container):
        raise InvalidStoreUrl(
            f"store URL {show(url)}: the container {show(container)} must be 3 to 63 of a-z 0-9"
            " and single hyphens"
        )
    reason = why_not_a_path(prefix) if prefix else None
    if reason:
        raise InvalidStoreUrl(f"store URL {show(url)}: the prefix {show(prefix)}: {reason}")
    return AzureUrl(account, container, prefix)
