"""Each way to sign in to Azure Blob Storage, tried on the real Azurite."""

from __future__ import annotations

import base64
import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from model_store import Denied, InvalidStoreUrl, ModelStore, open_store
from model_store.backends.azure import AzureBackend
from model_store.backends.azure_access import CONNECTION_STRING, ENDPOINT, SAS_TOKEN, Access
from model_store.backends.patience import Patience
from model_store.url import AzureUrl
from tests.azurite_server import ACCOUNT, KEY, Azurite, azurite_server
from tests.certificate import make_certificate
from tests.model_store.material import MODEL, contents, publish

HOUR = timedelta(hours=1)
AUDIENCE = "https://storage.azure.com"


@pytest.fixture(autouse=True)
def _no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CONNECTION_STRING, SAS_TOKEN, ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def shelf() -> closing[ModelStore]:
    """Return a store whose container doesn't exist yet, to be reached as the environment says."""
    return closing(open_store(f"az://{ACCOUNT}/c{uuid.uuid4().hex[:20]}/p"))


def check_journey(folder: Path, place: Path) -> None:
    with shelf() as store:
        publish(store, folder)
        store.label(MODEL, "production", 1)
        assert contents(store.pull(MODEL, 1, place)).items() >= contents(folder).items()


def denied(told: str) -> str:
    with shelf() as store, pytest.raises(Denied, match=told) as caught:
        store.check_writable(MODEL)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sas(
    *,
    expires_in: timedelta,
    allowed: tuple[str, ...] = ("read", "write", "delete", "list", "create"),
) -> str:
    return generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(**dict.fromkeys(allowed, True)),
        datetime.now(UTC) + expires_in,
    )


@pytest.fixture
def endpoint(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://{azurite.host}:{azurite.port}/{ACCOUNT}")


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("mark", ["", "?"])
def test_a_sas_token_publishes_and_pulls(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setenv(SAS_TOKEN, mark + sas(expires_in=HOUR))
    check_journey(folder, tmp_path / "p")


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(
    ("token", "told"),
    [
        # Azurite answers AuthorizationFailure where the real service says AuthenticationFailed.
        (sas(expires_in=-HOUR), r"whether the SAS token has expired \(Auth"),
        (sas(expires_in=HOUR)[:-6] + "AAA%3D", r"check key or role"),
        (sas(expires_in=HOUR, allowed=("list",)), r"don't allow this"),
    ],
    ids=["expired", "forged", "may only list"],
)
def test_a_sas_token_that_does_not_fit_is_denied_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, token: str, told: str
) -> None:
    monkeypatch.setenv(SAS_TOKEN, token)
    assert "sig=" not in denied(told)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that only REQUESTS_CA_BUNDLE can make trusted, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def signed_in_azurite(
    certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Azurite]:
    """An Azurite that takes logins; over https, because they are taken over nothing else."""
    cert, key = map(str, certificate)
    switches = ("--oauth", "basic", "--cert", cert, "--key", key)
    with azurite_server(tmp_path_factory.mktemp("azurite-tls"), *switches) as server:
        yield server


class Identity:
    """What a machine in Azure asks for its logins; `claims` are those of the tokens it gives."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.claims: dict[str, object] = {
            "aud": AUDIENCE,
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": int((now - HOUR).timestamp()),
            "nbf": int((now - HOUR).timestamp()),
            "exp": int((now + HOUR).timestamp()),
        }
        self.asked: list[str] = []

    @property
    def token(self) -> str:
        """A token as Microsoft's, but for the signature."""
        parts = [{"alg": "none", "typ": "JWT"}, self.claims]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        return ".".join(part.decode().rstrip("=") for part in encoded) + ".c2lnbmF0dXJl"


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    given = Identity()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.asked.append(self.headers["X-IDENTITY-HEADER"])
            expires = int((datetime.now(UTC) + HOUR).timestamp())
            answer = {"access_token": given.token, "expires_on": str(expires), "resource": AUDIENCE}
            body = json.dumps({**answer, "token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "a header of this machine")
    yield given
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tls_endpoint(
    signed_in_azurite: Azurite, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"https://{signed_in_azurite.host}:{signed_in_azurite.port}/{ACCOUNT}"
    monkeypatch.setenv(ENDPOINT, address)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))


@pytest.mark.usefixtures("tls_endpoint")
def test_a_login_publishes_and_pulls(folder: Path, tmp_path: Path, identity: Identity) -> None:
    check_journey(folder, tmp_path / "p")
    assert set(identity.asked) == {"a header of this machine"}


@pytest.mark.usefixtures("tls_endpoint")
@pytest.mark.parametrize(
    "wrong",
    [{"aud": "https://vault.azure.net"}, {"exp": 1}, {"iss": "https://example.org/"}],
    ids=str,
)
def test_a_login_that_does_not_fit_is_denied_without_being_shown(
    identity: Identity, wrong: dict[str, object]
) -> None:
    identity.claims |= wrong
    assert identity.token not in denied("refuses these credentials")


@pytest.mark.usefixtures("tls_endpoint", "identity")
def test_a_certificate_that_nobody_vouches_for_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    url = AzureUrl(ACCOUNT, "shelf", "")
    backend = AzureBackend(url, Access.from_environment(os.environ), patience=Patience(retries=0))
    with closing(backend), pytest.raises(Denied, match=r"isn't trusted.*REQUESTS_CA_BUNDLE"):
        backend.probe(MODEL)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("models1.blob.core.windows.net", "write it like https://models1"),
        ("https://models1.blob.core.windows.net/?sig=secret", "without a token"),
        ("https://other.blob.core.windows.net", "isn't of the account models1"),
        ("http://127.0.0.1:10000/models1", "must be https"),
        ("https://[secret/models1", "write it like https://models1"),
        ("https://gateway:abc/models1", "write it like https://models1"),
        ("https://gateway:99999/models1", "write it like https://models1"),
        ("https://models1.gate way", "write it like https://models1"),
        ("https://me:secret@gateway/models1", "write it like https://models1"),
    ],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(endpoint: str, told: str) -> None:
    with pytest.raises(InvalidStoreUrl, match=told) as caught:
        Access(endpoint=endpoint).endpoint_of("models1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["https://models1.blob.core.chinacloudapi.cn/", "https://[::1]:8443/models1"]
)
def test_other_clouds_and_gateways_are_reached_by_their_endpoint(endpoint: str) -> None:
    assert Access(endpoint=endpoint).endpoint_of("models1") == endpoint.rstrip("/")
    assert Access().endpoint_of("models1") == "https://models1.blob.core.windows.net"
