"""Carries out what the policy decides and lends leases on the versions that are loaded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from service import metrics
from service.engine.memory import resident_bytes
from service.engine.policy import (
    Action,
    Estimate,
    Forget,
    Load,
    Refuse,
    State,
    Unload,
    VersionView,
    check_fit,
    next_action,
)
from service.engine.router import Router
from service.engine.session import Session
from service.engine.wanted import Wanted
from service.errors import NotReady, ServiceError, VersionNotFound
from service.ipc.messages import ClassName, VersionStatus
from service.reference import VersionRef

log = logging.getLogger(__name__)

# Class names of versions that have left are kept for answers that are still on their way.
KEPT_DESCRIPTIONS = 64

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 300.0


class Loader(Protocol):
    """Brings versions into memory; may take long."""

    def estimate_bytes(self, version: int) -> int:
        """Return about how much memory the version will take; raises what keeps that unknown."""

    def load(self, version: int) -> Session:
        """Return a session that has been checked and warmed up.

        Raises whatever keeps the version from being served, and holds nothing then.
        """


@dataclass
class _Version:
    version: int
    state: State = State.START
    session: Session | None = None
    leases: int = 0
    failures: int = 0
    error: str = ""
    retry_at: float | None = None
    size_bytes: int | None = None

    @property
    def view(self) -> VersionView:
        return VersionView(self.version, self.state, self.retry_at, self.size_bytes)


def _variant(version: _Version) -> str:
    return "" if version.session is None else version.session.file


@dataclass(frozen=True)
class Lease:
    """The right to use a loaded version: it isn't unloaded before `release` has been called."""

    version: int
    session: Session
    release: Callable[[], None] = field(repr=False)


@dataclass(frozen=True)
class Snapshot:
    """What is served at one moment: every known version, ascending, and the ways to them.

    `default` answers requests that name no version and aren't shared out by `weights`; a label's
    version is the one that answers for it, or will once something can.
    """

    default: int | None
    labels: dict[str, int]
    weights: dict[int, int]
    versions: tuple[VersionStatus, ...]


class VersionManager:
    """Owns the loaded versions.

    `settle` is called by one thread, again and again, and takes as long as loading takes;
    everything else by any thread at any time, also meanwhile: a label that goes back to a version
    that is loaded needn't wait for another one that is loading.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        budget_bytes: int = 0,
        clock: Callable[[], float] = time.monotonic,
        resident_bytes: Callable[[], int] = resident_bytes,
    ) -> None:
        self._loader = loader
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._resident_bytes = resident_bytes
        self._changed = threading.Condition()
        self._versions: dict[int, _Version] = {}
        self._router = Router()
        self._classes: dict[int, tuple[ClassName, ...]] = {}

    @property
    def default(self) -> int | None:
        """The version that answers requests which name none, and aren't shared out by weight."""
        return self._router.routes.default

    def snapshot(self) -> Snapshot:
        """Return what is served now, all of it as of one moment."""
        with self._changed:
            router = self._router
            weights = dict(router.wanted.weights)
            return Snapshot(router.routes.default, router.labels, weights, self.status())

    def status(self) -> tuple[VersionStatus, ...]:
        """Return the state of every known version, ascending."""
        with self._changed:
            return tuple(
                VersionStatus(each.version, each.state, each.error, _variant(each), each.failures)
                for _, each in sorted(self._versions.items())
            )

    def lease(self, ref: VersionRef) -> Lease:
        """Lend the loaded version that `ref` names.

        Raises NotReady while nothing, or not yet the version asked for, is loaded, and
        VersionNotFound for a version that isn't served.
        """
        with self._changed:
            version = self._router.resolve(ref)
            found = self._versions.get(version)
            if found is None or found.session is None or found.state is not State.AVAILABLE:
                raise self._refusal(ref, version)
            found.leases += 1
            return Lease(found.version, found.session, lambda: self._release(found))

    def classes(self, version: int) -> tuple[ClassName, ...]:
        """Return the names of a version's outputs, also shortly after it was unloaded.

        Raises NotReady for one that isn't loaded yet, VersionNotFound for one that isn't served.
        """
        with self._changed:
            if version in self._classes:
                return self._classes[version]
            raise self._refusal(VersionRef(version), version)

    def want(self, wanted: Wanted) -> None:
        """Take what is wanted now; requests go at once where loaded versions allow it."""
        with self._changed:
            self._router.want(wanted)
            for version in wanted.versions:
                self._versions.setdefault(version, _Version(version))

    def retry(self) -> None:
        """Have `settle` try versions again at once that failed."""
        with self._changed:
            for each in self._versions.values():
                each.retry_at = None

    def settle(self) -> None:
        """Load and unload until nothing is left to do for what is wanted."""
        while self._take_step():
            pass

    def _take_step(self) -> bool:
        """Decide on the next action and carry it out; tell whether there was one.

        Deciding to unload and closing the way to a version is one step: no route may lead to it
        again in between.
        """
        with self._changed:
            action = self._next_action()
            if action is None:
                return False
            version = self._versions.setdefault(action.version, _Version(action.version))
            match action:
                case Load():
                    version.state = State.LOADING
                case Unload():
                    version.state = State.UNLOADING
                    self._tell_router()
                case Forget():
                    del self._versions[action.version]
        match action:
            case Load():
                self._bring_up(version)
            case Unload():
                self._take_down(version)
            case Estimate():
                self._estimate(version)
            case Refuse(reason=reason):
                self._mark_failed(version, reason)
        return True

    def _next_action(self) -> Action | None:
        return next_action(
            (each.view for each in self._versions.values()),
            self._router.wanted,
            self._router.routes,
            self._clock(),
            self._budget_bytes,
        )

    def _estimate(self, version: _Version) -> None:
        try:
            version.size_bytes = self._loader.estimate_bytes(version.version)
        except Exception as error:  # noqa: BLE001 - as with loading
            self._mark_failed(version, _reason(error), error)

    def _bring_up(self, version: _Version) -> None:
        started, before = self._clock(), self._resident_bytes()
        session = self._try_to_load(version)
        if session is None:
            metrics.VERSION_LOADS.labels("failed").observe(self._clock() - started)
            self._resident_bytes()
            return
        took_s = self._clock() - started
        # Requests that ran meanwhile took and gave back memory too.
        version.size_bytes = max(self._resident_bytes() - before, version.size_bytes or 0)
        metrics.VERSION_LOADS.labels("loaded").observe(took_s)
        with self._changed:
            too_large = check_fit(
                (each.view for each in self._versions.values()),
                self._router.wanted,
                self._router.routes,
                self._budget_bytes,
                version.view,
            )
            if not too_large:
                self._enter_service(version, session)
        if too_large:
            session.close()
            self._mark_failed(version, too_large)
            self._resident_bytes()
            return
        log.info(
            "version %d is available after %.1f s and takes %.0f MB",
            version.version, took_s, (version.size_bytes or 0) / 1e6,
        )  # fmt: skip

    def _try_to_load(self, version: _Version) -> Session | None:
        try:
            return self._loader.load(version.version)
        # Whatever a version fails with, it must not take the ones that serve down with it.
        except Exception as error:  # noqa: BLE001
            self._mark_failed(version, _reason(error), error)
            return None

    def _enter_service(self, version: _Version, session: Session) -> None:
        version.session = session
        version.failures, version.error, version.retry_at = 0, "", None
        version.state = State.AVAILABLE
        self._describe(version.version, session)
        self._tell_router()

    def _describe(self, version: int, session: Session) -> None:
        self._classes.pop(version, None)
        self._classes[version] = session.classes
        while len(self._classes) > KEPT_DESCRIPTIONS:
            del self._classes[next(iter(self._classes))]

    def _mark_failed(self, version: _Version, reason: str, error: Exception | None = None) -> None:
        delay = min(FIRST_RETRY_S * 2**version.failures, LAST_RETRY_S)
        with self._changed:
            version.failures += 1
            version.error = reason
            version.retry_at = self._clock() + delay
            version.state = State.END
            serving = "nothing" if self.default is None else f"version {self.default}"
        log.error(
            "version %d can't be served, trying again in %.0f s; %s goes on serving: %s",
            version.version, delay, serving, reason,
            exc_info=log.isEnabledFor(logging.DEBUG) and error,
        )  # fmt: skip

    def _take_down(self, version: _Version) -> None:
        with self._changed:
            # Requests have deadlines, so leases come back.
            self._changed.wait_for(lambda: version.leases == 0)
            session, version.session = version.session, None
        if session is not None:
            session.close()
        del session
        self._resident_bytes()
        with self._changed:
            version.state = State.END
        log.info("version %d is unloaded", version.version)

    def _release(self, version: _Version) -> None:
        with self._changed:
            version.leases -= 1
            if version.leases == 0:
                self._changed.notify_all()

    def _tell_router(self) -> None:
        self._router.have(
            version for version, each in self._versions.items() if each.state is State.AVAILABLE
        )

    def _refusal(self, ref: VersionRef, version: int) -> ServiceError:
        found = self._versions.get(version)
        coming = found is not None and found.state in (State.START, State.LOADING)
        return (NotReady if coming else VersionNotFound)(self._unavailable(ref, version))

    def _unavailable(self, ref: VersionRef, version: int) -> str:
        found = self._versions.get(version)
        what = f"version {version}" + (f" (label {ref.label!r})" if ref.label else "")
        if found is None:
            return f"{what} isn't being served; {self._router.what_is_available()}"
        reason = f" ({found.error})" if found.error else ""
        return f"{what} is {found.state}{reason}; {self._router.what_is_available()}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
