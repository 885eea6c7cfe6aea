"""Carries out what operators change: in the store's catalog, so that every service follows."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import msgspec

from model_store import (
    Catalog,
    Conflict,
    InvalidName,
    InvalidTraffic,
    ModelStore,
    NotFound,
    StoreError,
)
from service.changes import (
    Change,
    LoadVersion,
    MoveLabel,
    PastEvent,
    Reload,
    RollBack,
    ShareOut,
    ShelfState,
    UnloadVersion,
)
from service.errors import (
    ChangeConflict,
    InvalidRequest,
    NotOnShelf,
    ServiceError,
    StoreUnavailable,
)
from service.ipc.messages import Administer, Failure, Reply, Shelf
from service.settings import PREFIX, Serve

log = logging.getLogger(__name__)

# A change is answered when this service follows it too, which a store that was just there for the
# change seldom keeps waiting for.
LOOK_S = 2.0


class Following(Protocol):
    """What follows the store, as far as changes need it."""

    def look_now(self, *, within_s: float) -> None:
        """Look at the store, and wait so long for the end of that."""

    def retry_now(self, *, within_s: float) -> None:
        """Look at the store, wait so long for the end of that, and try again what failed."""


class Administration:
    """Changes one model's catalog in a thread of its own, one change after the other."""

    def __init__(self, store: ModelStore, model: str, serve: Serve, follower: Following) -> None:
        self._store = store
        self._model = model
        self._serve = serve
        self._follower = follower
        self._host = socket.gethostname()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="administration")

    def handle(self, request: Administer, reply: Callable[[Reply], None]) -> None:
        """Reply, in the event loop's thread, once the change is in the store or has failed."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            answer = self._answer(request)
            loop.call_soon_threadsafe(reply, answer)

        self._thread.submit(work)

    def close(self) -> None:
        """Finish the change that is going on, drop those that wait."""
        self._thread.shutdown(cancel_futures=True)

    def carry_out(self, change: Change | None, by: str) -> ShelfState:
        """Return what the catalog says after the change that `by` asked for; None only asks.

        Raises InvalidRequest, NotOnShelf, ChangeConflict or StoreUnavailable.
        """
        try:
            catalog = self._change(change, f"{by}@{self._host}")
        except NotFound as error:
            raise NotOnShelf(str(error)) from error
        except Conflict as error:
            raise ChangeConflict(str(error)) from error
        except (InvalidName, InvalidTraffic) as error:
            raise InvalidRequest(str(error)) from error
        except StoreError as error:
            raise StoreUnavailable(f"nothing was changed: {error}") from error
        if change is not None:
            log.info("%s asked for %s", by, change)
            if isinstance(change, LoadVersion | Reload):
                self._follower.retry_now(within_s=LOOK_S)
            else:
                self._follower.look_now(within_s=LOOK_S)
        return _state(catalog)

    def _answer(self, request: Administer) -> Reply:
        try:
            return Shelf(self.carry_out(request.change, request.by))
        except ServiceError as error:
            return Failure.of(error)
        except Exception:
            log.exception("a change failed unexpectedly: %s", request)
            return Failure.of(ServiceError("internal error; the service's log says more"))

    def _change(self, change: Change | None, by: str) -> Catalog:
        store, model = self._store, self._model
        match change:
            case MoveLabel():
                return self._move(change, by)
            case RollBack(label):
                return store.rollback(model, label, by=by)
            case ShareOut(weights):
                return store.set_weights(model, weights, by=by)
            case LoadVersion(version):
                self._check_not_pinned()
                return store.load(model, version, by=by)
            case UnloadVersion(version):
                self._check_not_pinned()
                return store.unload(model, version, by=by)
        return store.catalog(model)

    def _move(self, change: MoveLabel, by: str) -> Catalog:
        seen = self._store.catalog(self._model)
        if change.expected is not msgspec.UNSET:
            labels = {name: at for name, at in seen.labels.items() if name != change.label}
            if change.expected is not None:
                labels[change.label] = change.expected
            seen = replace(seen, labels=labels)
        if change.version is None:
            return self._store.unlabel(self._model, change.label, seen=seen, by=by)
        return self._store.label(self._model, change.label, change.version, seen=seen, by=by)

    def _check_not_pinned(self) -> None:
        if self._serve.versions:
            raise ChangeConflict(
                f"this service serves exactly what {PREFIX}SERVE={self._serve} says; with latest or"
                " label it would load and unload what it is told to"
            )


def _state(catalog: Catalog) -> ShelfState:
    return ShelfState(
        labels=catalog.labels,
        weights=catalog.weights,
        loaded=catalog.loaded,
        unloaded=catalog.unloaded,
        history=tuple(PastEvent(*msgspec.structs.astuple(each)) for each in catalog.history),
    )
