"""A shelf in Azure Blob Storage; the only file that knows the Azure SDK.

Compare-and-swap is the service's own: If-Match and If-None-Match over ETags. Large files move in
blocks and ranges, several at once, by the SDK's means. Every exception of the SDK is translated
by `translate` below and leaves this file as one of `model_store.errors`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import IO, Any, TypeVar, cast

from azure.core import MatchConditions
from azure.core import exceptions as sdk
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobClient, ContainerClient

from model_store.backends.azure_access import (
    CONNECTION_STRING,
    SAS_TOKEN,
    Access,
    check_connection_string,
)
from model_store.backends.azure_answers import BY_CODE, BY_STATUS
from model_store.backends.base import Blob, ByteSource, Sink, Stage, Stored
from model_store.backends.in_order import in_order
from model_store.backends.patience import Patience
from model_store.errors import (
    Conflict,
    Corrupt,
    Denied,
    InvalidStoreUrl,
    NotFound,
    StoreError,
    Unreachable,
)
from model_store.hashing import HashedStream
from model_store.layout import TEMPORARY_PREFIX
from model_store.url import AzureUrl

_T = TypeVar("_T")

# Per file; three files move at once, and the SDK keeps ten connections open for reuse.
CONCURRENCY = 4
# Up to here one request is fastest; above, blocks move side by side.
SINGLE_PUT_BYTES = 64 << 20
BLOCK_BYTES = 16 << 20
# One request each. A download that broke off goes on after the last one that was complete.
RANGE_BYTES = 8 << 20

NO_CREDENTIALS = (
    f"no credentials; set {CONNECTION_STRING} or {SAS_TOKEN}, "
    "or sign in (for example with az login)"
)

# From the most special to the most general: the first that fits decides.
_BY_TYPE: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    # A refusal by the store itself has a status; without one, no credentials were found.
    (sdk.ClientAuthenticationError, Denied, NO_CREDENTIALS),
    (sdk.ResourceNotFoundError, NotFound, "it doesn't exist"),
    (sdk.ResourceNotModifiedError, Conflict, "it didn't change"),
    (sdk.ResourceExistsError, Conflict, "it already exists"),
    (sdk.ResourceModifiedError, Conflict, "it was changed by somebody else"),
    (sdk.IncompleteReadError, Unreachable, "the answer broke off; try again later"),
    (sdk.DecodeError, Unreachable, "the answer makes no sense; is this Azure Blob Storage?"),
    (sdk.TooManyRedirectsError, Unreachable, "the answer is a circle of redirects"),
    (sdk.ServiceRequestError, Unreachable, "no connection; check network and address"),
    (sdk.ServiceResponseError, Unreachable, "the connection broke off; try again later"),
    (sdk.ODataV4Error, Unreachable, "the store reports a failure; try again later"),
    (sdk.HttpResponseError, Unreachable, "the store reports a failure; try again later"),
    (sdk.StreamConsumedError, Unreachable, "the answer broke off; try again later"),
    (sdk.StreamClosedError, Unreachable, "the answer broke off; try again later"),
    (sdk.ResponseNotReadError, Unreachable, "the answer broke off; try again later"),
    (sdk.SerializationError, Unreachable, "the request can't be written"),
    (sdk.DeserializationError, Unreachable, "the answer makes no sense"),
    # The SDK raises ValueError for answers without the headers it needs.
    (ValueError, Unreachable, "the answer makes no sense; is this Azure Blob Storage?"),
)


def translate(error: Exception, *, doing: str, where: str) -> StoreError:
    """Return the shelf's error for one of the SDK's; StoreError itself for an unknown one."""
    code = getattr(error, "error_code", None) or ""
    code = str(getattr(code, "value", code))
    status = int(getattr(error, "status_code", None) or 0)
    kind, advice = BY_CODE.get(code) or BY_STATUS.get(status) or _by_type(error)
    fact = code or (f"HTTP {status}" if status else "")
    return kind(f"{doing} {where}: {advice}" + (f" ({fact})" if fact else ""))


def _by_type(error: Exception) -> tuple[type[StoreError], str]:
    if isinstance(error, sdk.ServiceRequestError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Denied, "its certificate isn't trusted; name the authority's in REQUESTS_CA_BUNDLE"
    for sdk_type, kind, advice in _BY_TYPE:
        if isinstance(error, sdk_type):
            return kind, advice
    return StoreError, f"{type(error).__name__}"


@contextmanager
def _edge(doing: str, where: str) -> Iterator[None]:
    try:
        yield
    except (sdk.AzureError, ValueError) as error:
        raise translate(error, doing=doing, where=where) from error


def client_options(patience: Patience) -> dict[str, Any]:
    """Return the SDK's options: this patience, and sizes that make parallel transfers."""
    return {
        "max_single_put_size": SINGLE_PUT_BYTES,
        "max_block_size": BLOCK_BYTES,
        "max_single_get_size": RANGE_BYTES,
        "connection_timeout": patience.connect_s,
        "read_timeout": patience.transfer_s,
        "retry_total": patience.retries,
        "initial_backoff": patience.first_pause_s,
        "increment_base": patience.pause_growth,
        "random_jitter_range": patience.first_pause_s,
    }


def _container(url: AzureUrl, access: Access, patience: Patience) -> ContainerClient:
    """Return a client of the URL's container; nothing is sent yet."""
    options = client_options(patience)
    if access.connection_string is not None:
        return _by_connection_string(url, access.connection_string, options)
    # It logs a page about every way it tried; our error says what to do in one line.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    credential = access.sas_token or DefaultAzureCredential()
    return ContainerClient(
        access.endpoint_of(url.account), url.container, credential=credential, **options
    )


def _by_connection_string(url: AzureUrl, text: str, options: Mapping[str, Any]) -> ContainerClient:
    try:
        client = ContainerClient.from_connection_string(text, url.container, **options)
    except ValueError as error:
        # The SDK's message may quote parts of the string, which holds the key.
        raise InvalidStoreUrl(
            f"{CONNECTION_STRING} isn't a connection string; copy it from the portal again"
        ) from error
    check_connection_string(text)
    if client.account_name and client.account_name != url.account:
        raise InvalidStoreUrl(
            f"{url} names the account {url.account}, but {CONNECTION_STRING} is for"
            f" {client.account_name}"
        )
    return client


class AzureBackend:
    """Keys are blob names below the URL's prefix; a missing container is made on first write."""

    def __init__(self, url: AzureUrl, access: Access, *, patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self._url = url
        self._answer_s = patience.answer_s
        self._container = _container(url, access, patience)
        self._guarded = self._container.url.startswith("https:")

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Send one GET; conditional where `unless` is given."""
        condition: dict[str, Any] = {}
        if unless is not None:
            condition = {"etag": unless, "match_condition": MatchConditions.IfModified}
        with _edge("reading", self._where(key)):
            try:
                stream = self._blob(key).download_blob(read_timeout=self._answer_s, **condition)
                return Blob(stream.readall(), stream.properties.etag)
            except sdk.HttpResponseError as error:
                if unless is not None and error.status_code == 304:
                    return None
                raise

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Send one PUT with If-Match or If-None-Match."""
        condition: dict[str, Any] = {"overwrite": False}
        if expected is not None:
            condition = {
                "overwrite": True,
                "etag": expected,
                "match_condition": MatchConditions.IfNotModified,
            }

        def put() -> str:
            answer = self._blob(key).upload_blob(
                data,
                validate_content=True,
                max_concurrency=CONCURRENCY,
                read_timeout=self._answer_s,
                **condition,
            )
            return str(answer["etag"])

        return self._with_container("writing", key, put)

    @contextmanager
    def stage(self, prefix: str) -> Iterator[Stage]:
        """Upload to the final names; only the catalog makes them a version."""
        stage = _AzureStage(self, prefix)
        try:
            yield stage
        finally:
            if not stage.sealed:
                # Whatever can't be removed now is an orphan for `gc`.
                with suppress(StoreError):
                    self.remove(prefix)

    def upload(self, key: str, source: ByteSource, size: int) -> None:
        """Write one blob; what TLS doesn't guard, its MD5 does, or each block's."""
        single = size <= SINGLE_PUT_BYTES
        stream = HashedStream(source, hashed=single and not self._guarded)
        with _edge("uploading", self._where(key)), closing(stream):
            # Overwriting makes a repeated request harmless; the number is this publisher's own.
            answer = self._blob(key).upload_blob(
                cast("IO[bytes]", stream),
                length=size,
                overwrite=True,
                validate_content=not single and not self._guarded,
                max_concurrency=CONCURRENCY,
            )
        stored = answer.get("content_md5")
        if stream.hashed and stored is not None and bytes(stored) != stream.md5():
            raise Corrupt(f"uploading {self._where(key)}: bytes were damaged on the way; try again")

    def fetch(self, key: str, *, offset: int, size: int, sink: Sink) -> None:
        """Download ranges side by side, the sink takes them in order."""
        blob, where = self._blob(key), self._where(key)

        def fetch_range(start: int) -> bytes:
            return _range(blob, where, start, min(RANGE_BYTES, size - start), size)

        in_order(fetch_range, range(offset, size, RANGE_BYTES), sink, at_once=CONCURRENCY)

    def list(self, prefix: str) -> Iterator[Stored]:
        """List blobs page by page."""
        skip = len(self._url.prefix) + 1 if self._url.prefix else 0
        with _edge("listing", self._where(prefix)):
            try:
                for blob in self._container.list_blobs(name_starts_with=self._name(prefix) + "/"):
                    yield Stored(blob.name[skip:], blob.size, blob.last_modified)
            except sdk.ResourceNotFoundError:
                return

    def remove(self, prefix: str) -> None:
        """Remove blob by blob; the listing goes first, so a repeated call finishes the rest."""
        for stored in list(self.list(prefix)):
            with _edge("removing", self._where(stored.key)), suppress(sdk.ResourceNotFoundError):
                self._blob(stored.key).delete_blob()

    def probe(self, prefix: str) -> None:
        """Write and remove a blob of a name that nothing else has."""
        key = f"{prefix}/{TEMPORARY_PREFIX}{uuid.uuid4().hex[:12]}/probe"

        def put() -> object:
            return self._blob(key).upload_blob(b"", read_timeout=self._answer_s)

        self._with_container("writing to", key, put)
        with _edge("removing", self._where(key)), suppress(sdk.ResourceNotFoundError):
            self._blob(key).delete_blob(read_timeout=self._answer_s)

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def _name(self, key: str) -> str:
        return f"{self._url.prefix}/{key}" if self._url.prefix else key

    def _where(self, key: str) -> str:
        return f"{self._url}/{key}"

    def _blob(self, key: str) -> BlobClient:
        return self._container.get_blob_client(self._name(key))

    def _with_container(self, doing: str, key: str, put: Callable[[], _T]) -> _T:
        with _edge(doing, self._where(key)):
            try:
                return put()
            except sdk.ResourceNotFoundError:
                # Only a write to a container that doesn't exist is answered so.
                with suppress(sdk.ResourceExistsError):
                    self._container.create_container()
                return put()


class _AzureStage:
    def __init__(self, backend: AzureBackend, prefix: str) -> None:
        self._backend = backend
        self._prefix = prefix
        self.sealed = False

    def add(self, name: str, source: ByteSource, size: int) -> None:
        self._backend.upload(f"{self._prefix}/{name}", source, size)

    def seal(self) -> None:
        self.sealed = True


class _Whole:
    """Takes what the SDK downloads as it is; a BytesIO would copy it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)


def _range(blob: BlobClient, where: str, start: int, length: int, size: int) -> bytes:
    whole = _Whole()
    with _edge("downloading", where):
        stream = blob.download_blob(offset=start, length=length, max_concurrency=1)
        stream.readinto(cast("IO[bytes]", whole))
    data = whole.pieces[0] if len(whole.pieces) == 1 else b"".join(whole.pieces)
    if len(data) != length:
        raise Corrupt(f"downloading {where}: it ends after {start + len(data)} of {size} bytes")
    return data
