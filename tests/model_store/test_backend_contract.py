"""What every backend promises, asked of both."""

from __future__ import annotations

import io
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_store import Conflict, NotFound
from model_store.backends.base import Backend

KEY = "resnet50/catalog.json"


def fetch(backend: Backend, key: str, *, offset: int, size: int) -> bytes:
    taken = io.BytesIO()

    def take(data: bytes | memoryview) -> None:
        taken.write(data)

    backend.fetch(key, offset=offset, size=size, sink=take)
    return taken.getvalue()


def keys(backend: Backend, prefix: str) -> set[str]:
    bookkeeping = (KEY, "resnet50/.lock")
    return {stored.key for stored in backend.list(prefix) if stored.key not in bookkeeping}


def test_reading_what_was_never_written_is_not_found(backend: Backend) -> None:
    with pytest.raises(NotFound):
        backend.read(KEY)
    with pytest.raises(NotFound):
        fetch(backend, KEY, offset=0, size=10)


def test_what_was_swapped_in_is_read_with_its_etag(backend: Backend) -> None:
    etag = backend.swap(KEY, b"one", expected=None)
    blob = backend.read(KEY)
    assert blob is not None
    assert (blob.data, blob.etag) == (b"one", etag)


def test_an_unchanged_object_is_not_sent_again(backend: Backend) -> None:
    first = backend.swap(KEY, b"one", expected=None)
    assert backend.read(KEY, unless=first) is None
    second = backend.swap(KEY, b"two", expected=first)
    changed = backend.read(KEY, unless=first)
    assert changed is not None
    assert (changed.data, changed.etag) == (b"two", second)


def test_a_swap_that_expects_nothing_fails_where_something_is(backend: Backend) -> None:
    backend.swap(KEY, b"one", expected=None)
    with pytest.raises(Conflict):
        backend.swap(KEY, b"two", expected=None)


def test_a_swap_that_expects_another_state_fails_and_changes_nothing(backend: Backend) -> None:
    first = backend.swap(KEY, b"one", expected=None)
    backend.swap(KEY, b"two", expected=first)
    with pytest.raises(Conflict):
        backend.swap(KEY, b"three", expected=first)
    blob = backend.read(KEY)
    assert blob is not None
    assert blob.data == b"two"


def test_a_swap_of_something_that_went_away_fails(backend: Backend) -> None:
    etag = backend.swap(KEY, b"one", expected=None)
    backend.remove("resnet50")
    with pytest.raises(Conflict):
        backend.swap(KEY, b"two", expected=etag)


def test_of_many_swaps_from_one_state_exactly_one_wins(backend: Backend) -> None:
    etag = backend.swap(KEY, b"start", expected=None)

    def attempt(number: int) -> bytes | None:
        data = f"writer {number}".encode()
        try:
            backend.swap(KEY, data, expected=etag)
        except Conflict:
            return None
        return data

    with ThreadPoolExecutor(8) as pool:
        won = [data for data in pool.map(attempt, range(8)) if data is not None]
    blob = backend.read(KEY)
    assert blob is not None
    assert won == [blob.data]


def test_a_sealed_stage_is_under_its_final_names(backend: Backend) -> None:
    backend.swap(KEY, b"a stage follows a reservation", expected=None)
    with backend.stage("resnet50/1") as stage:
        stage.add("variables/index", io.BytesIO(b"abc"), 3)
        stage.add("empty", io.BytesIO(b""), 0)
        stage.seal()
    assert keys(backend, "resnet50") == {"resnet50/1/variables/index", "resnet50/1/empty"}
    assert fetch(backend, "resnet50/1/variables/index", offset=0, size=3) == b"abc"


def test_a_stage_left_by_an_error_leaves_nothing(backend: Backend) -> None:
    backend.swap(KEY, b"a stage follows a reservation", expected=None)

    def fail_half_way() -> None:
        with backend.stage("resnet50/1") as stage:
            stage.add("model.onnx", io.BytesIO(b"abc"), 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert keys(backend, "resnet50") == set()


@pytest.mark.parametrize("offset", [0, 1, 65 << 20])
def test_a_large_object_comes_back_from_any_offset(backend: Backend, offset: int) -> None:
    data = random.Random(1).randbytes((65 << 20) + 5)
    backend.swap(KEY, b"a stage follows a reservation", expected=None)
    with backend.stage("resnet50/1") as stage:
        stage.add("model.onnx", io.BytesIO(data), len(data))
        stage.seal()
    assert fetch(backend, "resnet50/1/model.onnx", offset=offset, size=len(data)) == data[offset:]


def test_a_listing_tells_sizes_and_ages(backend: Backend) -> None:
    backend.swap(KEY, b"12345", expected=None)
    [stored] = [each for each in backend.list("resnet50") if each.key == KEY]
    assert stored.size == 5
    assert stored.modified_at.tzinfo is not None


def test_listing_and_removing_nothing_is_fine(backend: Backend) -> None:
    assert keys(backend, "resnet50") == set()
    backend.remove("resnet50/1")


def test_removing_one_version_leaves_its_neighbours(backend: Backend) -> None:
    backend.swap(KEY, b"a stage follows a reservation", expected=None)
    for version in ("1", "10"):
        with backend.stage(f"resnet50/{version}") as stage:
            stage.add("model.onnx", io.BytesIO(b"abc"), 3)
            stage.seal()
    backend.remove("resnet50/1")
    assert keys(backend, "resnet50") == {"resnet50/10/model.onnx"}


def test_a_probe_leaves_nothing_behind(backend: Backend) -> None:
    backend.probe("resnet50")
    assert keys(backend, "resnet50") == set()
