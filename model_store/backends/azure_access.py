"""How to reach an account of Azure Blob Storage: what the environment says."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from model_store.errors import InvalidStoreUrl

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
SAS_TOKEN = "AZURE_STORAGE_SAS_TOKEN"  # noqa: S105 - the variable's name
ENDPOINT = "AZURE_STORAGE_BLOB_ENDPOINT"

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?")
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Credentials and address; shows nothing of them."""

    connection_string: str | None = None
    sas_token: str | None = None
    endpoint: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Access:
        """Take the connection string first, then the SAS token, then what Azure's SDK finds."""
        return cls(
            environment.get(CONNECTION_STRING) or None,
            environment.get(SAS_TOKEN) or None,
            environment.get(ENDPOINT) or None,
        )

    def __repr__(self) -> str:
        return "Access(***)"

    def endpoint_of(self, account: str) -> str:
        """Return the URL that containers are below.

        The public cloud's by default; other clouds and gateways have their own. It must be of
        that account, so that nobody publishes where nobody looks. Raises InvalidStoreUrl.
        """
        if self.endpoint is None:
            return f"https://{account}.blob.core.windows.net"
        scheme, separator, rest = self.endpoint.partition("://")
        host, _, path = rest.rstrip("/").partition("/")
        if scheme not in {"https", "http"} or not separator or not _is_host(host) or "?" in rest:
            # Not shown: a SAS token may have been pasted with it.
            raise InvalidStoreUrl(
                f"{ENDPOINT} isn't an endpoint; write it like https://{account}.blob.core.windows.net,"
                f" without a token, which belongs into {SAS_TOKEN}"
            )
        if scheme == "http" and self.sas_token is None:
            raise InvalidStoreUrl(f"{ENDPOINT} must be https: logins aren't sent in the clear")
        if account not in {host.partition(".")[0], path}:
            raise InvalidStoreUrl(
                f"{ENDPOINT} isn't of the account {account} that the store's URL names"
            )
        return self.endpoint.rstrip("/")


def check_connection_string(text: str) -> None:
    """Raise InvalidStoreUrl for a key or an address that the SDK stumbles over only in use."""
    pairs = (part.partition("=") for part in text.split(";"))
    values = {name.strip().lower(): value for name, _, value in pairs}
    if not _is_key(values.get("accountkey", "")):
        raise InvalidStoreUrl(
            f"the AccountKey in {CONNECTION_STRING} is malformed; copy it from the portal again"
        )
    address = values.get("blobendpoint", "")
    if address and not _is_host(address.rpartition("://")[2].partition("/")[0]):
        raise InvalidStoreUrl(
            f"the BlobEndpoint in {CONNECTION_STRING} isn't an address; write it like"
            " https://HOST:PORT"
        )


def _is_host(text: str) -> bool:
    """Tell whether the text is a host's name or address, with or without a port."""
    match = _HOST.fullmatch(text)
    return match is not None and int(match[1] or 0) <= _LAST_PORT


def _is_key(text: str) -> bool:
    """Tell whether requests can be signed with the text."""
    try:
        base64.b64decode(text)
    except ValueError:
        return False
    return True
