"""A network that fails between the client and Azurite."""

from __future__ import annotations

import gc
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from model_store import ModelStore, StoreError, Unreachable
from model_store.backends.azure import RANGE_BYTES, AzureBackend
from model_store.backends.azure_access import Access
from model_store.backends.patience import Patience
from model_store.ledger import Ledger
from model_store.url import AzureUrl
from tests.azurite_server import ACCOUNT, Azurite
from tests.model_store.fault_proxy import (
    FAULTS,
    Fault,
    FaultProxy,
    Request,
    fault_proxy,
    flipped_byte,
    reset_before_the_answer,
    stall,
    status_500,
    status_503,
)
from tests.model_store.material import (
    MODEL,
    contents,
    entry,
    long_catalog,
    make_folder,
    publish,
)

# Long enough for Azurite on a busy machine, as a fault and a slow answer would be one too many.
HURRIED = Patience(
    connect_s=3, answer_s=3, transfer_s=3, retries=1, first_pause_s=0.01, pause_growth=0.1
)

# The SDK drops the connections of answers that broke off without closing them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    with fault_proxy(azurite) as running:
        yield running


@pytest.fixture
def far_store(proxy: FaultProxy) -> Iterator[ModelStore]:
    """A store behind the proxy, whose client loses patience soon."""
    url = AzureUrl(ACCOUNT, f"c{uuid.uuid4().hex[:20]}", "p")
    backend = AzureBackend(url, Access(proxy.connection_string, None), patience=HURRIED)
    yield ModelStore(str(url), backend)
    backend.close()
    gc.collect()  # here, where the marks above hold, and not in the next test


@pytest.fixture
def patient_store(proxy: FaultProxy, far_store: ModelStore) -> Iterator[ModelStore]:
    """The same store behind the proxy with all patience, for faults that answer at once."""
    url = AzureUrl(ACCOUNT, far_store.url.split("/")[3], "p")
    backend = AzureBackend(url, Access(proxy.connection_string, None))
    yield ModelStore(str(url), backend)
    backend.close()


@pytest.fixture
def near_store(azurite: Azurite, far_store: ModelStore) -> Iterator[ModelStore]:
    """The same store without the proxy and with all patience, for what isn't tested."""
    url = AzureUrl(ACCOUNT, far_store.url.split("/")[3], "p")
    backend = AzureBackend(url, Access(azurite.connection_string))
    yield ModelStore(str(url), backend)
    backend.close()


@pytest.fixture
def large_folder(tmp_path: Path) -> Path:
    """Its model needs more than one range."""
    folder = make_folder(tmp_path / "large", size=1 << 20)
    with (folder / "model.onnx").open("r+b") as file:
        file.truncate((32 << 20) + 5)
    return folder


RETRIED = (reset_before_the_answer, stall, status_500, status_503)


def is_data(request: Request) -> bool:
    return request.method == "GET" and request.path.split("?")[0].endswith("model.onnx")


def is_get(request: Request) -> bool:
    return request.method == "GET"


def is_write(request: Request) -> bool:
    return request.method == "PUT"


def is_catalog_write(request: Request) -> bool:
    return is_write(request) and request.path.split("?")[0].endswith("catalog.json")


def attempt(action: Callable[[], object]) -> StoreError | None:
    try:
        action()
    except StoreError as error:
        return error
    return None


def name_of(fault: Fault) -> str:
    return fault.__name__


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
@pytest.mark.parametrize(("where", "times"), [(is_data, 1), (is_get, 1), (is_data, None)])
def test_a_pull_yields_exactly_the_published_bytes_or_says_why_not(  # noqa: PLR0917
    far_store: ModelStore,
    near_store: ModelStore,
    proxy: FaultProxy,
    large_folder: Path,
    tmp_path: Path,
    fault: Fault,
    where: Callable[[Request], bool],
    times: int | None,
) -> None:
    publish(near_store, large_folder)
    proxy.spoil(fault, where=where, times=times)
    place = tmp_path / "pulled"
    error = attempt(lambda: far_store.pull(MODEL, 1, place))
    assert proxy.spoiled > 0
    if times == 1 and fault in RETRIED:
        assert error is None, "one such fault must not fail a pull"
    if error is None:
        assert times is not None, "every answer was spoiled, and yet the pull succeeded"
    else:
        assert "\n" not in str(error)
        assert "az://" in str(error)
        assert not place.exists()
    proxy.spoil(fault, where=where, times=0)
    far_store.pull(MODEL, 1, place)
    files = contents(place)
    files.pop("manifest.json")
    assert files == contents(large_folder)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def first_byte(request: Request) -> int:
    """Return where the range that the request asks for begins."""
    [asked] = [value for name, value in request.headers.items() if name.lower() == "x-ms-range"]
    return int(asked.removeprefix("bytes=").partition("-")[0])


def test_a_pull_that_broke_off_asks_only_for_the_ranges_that_are_missing(
    far_store: ModelStore,
    near_store: ModelStore,
    proxy: FaultProxy,
    large_folder: Path,
    tmp_path: Path,
) -> None:
    publish(near_store, large_folder)
    missing = 2 * RANGE_BYTES
    proxy.spoil(
        status_500, where=lambda each: is_data(each) and first_byte(each) >= missing, times=None
    )
    assert attempt(lambda: far_store.pull(MODEL, 1, tmp_path / "p")) is not None
    proxy.spoil(status_500, where=is_data, times=0)
    proxy.requests.clear()
    place = far_store.pull(MODEL, 1, tmp_path / "p")
    again = sorted(first_byte(request) for request in proxy.requests if is_data(request))
    assert again == [missing, missing + RANGE_BYTES, missing + 2 * RANGE_BYTES]
    assert contents(place).items() >= contents(large_folder).items()


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
@pytest.mark.parametrize("where", [is_write, is_catalog_write])
def test_a_publish_is_committed_once_and_whole_or_not_at_all(  # noqa: PLR0917
    far_store: ModelStore,
    near_store: ModelStore,
    proxy: FaultProxy,
    folder: Path,
    fault: Fault,
    where: Callable[[Request], bool],
) -> None:
    publish(near_store, folder)
    proxy.spoil(fault, where=where, times=1)
    error = attempt(lambda: publish(far_store, folder))
    assert proxy.spoiled == 1
    versions = [entry.version for entry in near_store.catalog(MODEL).versions]
    assert len(versions) == (2 if error is None else 1)
    assert [near_store.verify(MODEL, version) for version in versions] == [()] * len(versions)


def test_a_commit_whose_answer_is_lost_is_not_done_twice(
    far_store: ModelStore, proxy: FaultProxy, folder: Path
) -> None:
    publish(far_store, folder)
    proxy.spoil(reset_before_the_answer, where=is_catalog_write, times=1)
    far_store.label(MODEL, "production", 1)
    assert proxy.spoiled == 1
    catalog = far_store.catalog(MODEL)
    assert [event.action for event in catalog.history] == ["label"]
    assert catalog.labels == {"production": 1}


@pytest.mark.parametrize("size", [1000, (64 << 20) + 1], ids=["one request", "blocks"])
def test_a_flipped_byte_on_the_way_up_is_never_committed(
    patient_store: ModelStore, proxy: FaultProxy, tmp_path: Path, size: int
) -> None:
    folder = make_folder(tmp_path / "offered", size=1000)
    with (folder / "model.onnx").open("r+b") as file:
        file.truncate(size)
    proxy.flip_upwards = lambda request: request.path.split("?")[0].endswith("model.onnx")
    error = attempt(lambda: publish(patient_store, folder))
    assert proxy.spoiled > 0
    # Azurite has its own word for what the real service calls Md5Mismatch.
    assert "damaged on the way" in str(error) or "(InvalidOperation)" in str(error)
    assert patient_store.catalog(MODEL).versions == ()


def test_an_undisturbed_publish_reads_the_catalog_once(
    far_store: ModelStore, proxy: FaultProxy, folder: Path
) -> None:
    publish(far_store, folder)
    proxy.requests.clear()
    publish(far_store, folder)
    catalog = [each.method for each in proxy.requests if "catalog.json" in each.path]
    assert catalog == ["GET", "PUT", "PUT"]


def test_a_poll_of_an_unchanged_catalog_is_one_conditional_request(
    far_store: ModelStore, proxy: FaultProxy, folder: Path
) -> None:
    publish(far_store, folder)
    known = far_store.catalog(MODEL)
    proxy.requests.clear()
    assert far_store.catalog(MODEL, known=known) is known
    [request] = proxy.requests
    assert (request.method, request.conditional) == ("GET", True)


def test_ten_thousand_versions_still_cost_one_small_read(
    azurite: Azurite, far_store: ModelStore, proxy: FaultProxy
) -> None:
    url = AzureUrl(ACCOUNT, far_store.url.split("/")[3], "p")
    backend = AzureBackend(url, Access(azurite.connection_string, None))
    ledger = Ledger(far_store.url, backend)
    for length in (1, 10_000):
        ledger.change(MODEL, lambda _: long_catalog(length, length // 20))  # noqa: B023
    stored = {each.key: each.size for each in backend.list(MODEL)}
    backend.close()
    assert stored[f"{MODEL}/catalog.json"] <= 100_000
    catalog = far_store.catalog(MODEL)
    assert [request.method for request in proxy.requests] == ["GET"]
    assert (len(catalog.numbers), catalog.latest) == (10_000, entry(10_000))
    assert far_store.catalog(MODEL, known=catalog) is catalog
    assert [request.conditional for request in proxy.requests] == [False, True]
    assert far_store.entry(MODEL, 50) == entry(50)
    assert len(proxy.requests) == 4


def test_a_store_that_does_not_answer_is_told_of_in_one_line(
    far_store: ModelStore, proxy: FaultProxy
) -> None:
    proxy.spoil(stall, where=is_get, times=None)
    with pytest.raises(Unreachable, match=r"reading az://.*catalog\.json: .*broke off"):
        far_store.catalog(MODEL)


@pytest.mark.timed
def test_a_store_that_is_away_is_told_of_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        away = Azurite("127.0.0.1", taken.getsockname()[1])
        url = AzureUrl(ACCOUNT, "shelf", "")
        backend = AzureBackend(url, Access(away.connection_string, None))
        store = ModelStore(str(url), backend)
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no connection; check network and address"):
            store.check_writable(MODEL)
        assert time.monotonic() - started < 20
        backend.close()
    gc.collect()


@contextmanager
def host_that_takes_no_connection() -> Iterator[int]:
    """Its queue is full, so that connecting is never answered: as behind a firewall that drops."""
    with socket.socket() as host, ExitStack() as queue:
        host.bind(("127.0.0.1", 0))
        host.listen(0)
        for _ in range(4):
            client = queue.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(host.getsockname())
        yield host.getsockname()[1]


@contextmanager
def host_that_never_answers() -> Iterator[int]:
    """It takes every connection and every question."""
    with socket.socket() as host:
        host.bind(("127.0.0.1", 0))
        host.listen(64)
        yield host.getsockname()[1]


@pytest.mark.timed
@pytest.mark.parametrize("silent", [host_that_takes_no_connection, host_that_never_answers])
def test_a_silent_host_is_told_of_within_its_patience(
    silent: Callable[[], AbstractContextManager[int]], tmp_path: Path
) -> None:
    patience = Patience(0.4, 0.4, 0.4, retries=2, first_pause_s=0.01, pause_growth=0.1)
    with silent() as port:
        url = AzureUrl(ACCOUNT, "shelf", "")
        access = Access(Azurite("127.0.0.1", port).connection_string)
        store = ModelStore(str(url), AzureBackend(url, access, patience=patience))
        for ask in (
            lambda: store.catalog(MODEL),
            lambda: store.check_writable(MODEL),
            lambda: store.pull(MODEL, 1, tmp_path / "p"),
            lambda: publish(store, make_folder(tmp_path / uuid.uuid4().hex)),
        ):
            started = time.monotonic()
            with pytest.raises(Unreachable, match=r"az://devstoreaccount1/shelf"):
                ask()
            assert time.monotonic() - started < patience.longest_s + 1
        store.close()
    gc.collect()


def test_by_default_a_silent_host_is_told_of_within_half_a_minute() -> None:
    assert 10 < Patience().longest_s <= 30


def test_wrong_credentials_are_denied_in_one_line(azurite: Azurite) -> None:
    text = azurite.connection_string.replace("AccountKey=Eby8", "AccountKey=Fby8")
    backend = AzureBackend(AzureUrl(ACCOUNT, "shelf", ""), Access(text, None), patience=HURRIED)
    error = attempt(lambda: ModelStore("az://x/shelf", backend).check_writable(MODEL))
    assert type(error).__name__ == "Denied"
    assert "\n" not in str(error)
    backend.close()


def test_a_flipped_byte_is_named_as_such(
    far_store: ModelStore, proxy: FaultProxy, folder: Path, tmp_path: Path
) -> None:
    publish(far_store, folder)
    proxy.spoil(flipped_byte, where=is_data, times=None)
    error = attempt(lambda: far_store.pull(MODEL, 1, tmp_path / "p"))
    assert "the bytes aren't the published ones" in str(error)
