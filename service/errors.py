"""What can go wrong with a request, as facts; each REST dialect renders them in its own shape.

ServiceError
├── InvalidRequest        the caller sent something that can't be understood
│   └── PayloadTooLarge   … or more of it than is allowed
├── VersionNotFound       no such version is being served
└── NotNow                nothing is wrong with the request; the same one may succeed later
    ├── NotReady          no version is being served yet
    ├── Overloaded        the queue is full
    ├── DeadlineExceeded  the answer wasn't there in time
    └── EngineUnavailable the engine process is away (it is being restarted)
InferenceFailed           the model itself failed on this input: our fault, not the caller's
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """Base of every error that reaches a caller; `str()` is the message for them.

    `code` names the class between processes; `status` is the HTTP status most dialects give it.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class InvalidRequest(ServiceError):
    """The caller sent something that can't be understood."""

    code = "invalid"
    status = 400


class PayloadTooLarge(InvalidRequest):
    """The body, the image or the batch is larger than allowed."""

    code = "too_large"
    status = 413


class VersionNotFound(ServiceError):
    """The version asked for isn't being served."""

    code = "version_not_found"
    status = 404


class NotNow(ServiceError):
    """The request is fine, but can't be answered now; `retry_after_s` says when to try again."""

    status = 503
    retry_after_s: ClassVar[int] = 1


class NotReady(NotNow):
    """No version is being served yet."""

    code = "not_ready"


class Overloaded(NotNow):
    """More work is waiting than the queue may hold."""

    code = "overloaded"
    status = 429


class DeadlineExceeded(NotNow):
    """The answer wasn't there within the request's time-out."""

    code = "deadline"
    status = 504


class EngineUnavailable(NotNow):
    """The engine process is away; the supervisor is starting a new one."""

    code = "engine_unavailable"


class InferenceFailed(ServiceError):
    """The model failed on this input."""

    code = "inference_failed"


def error_classes() -> dict[str, type[ServiceError]]:
    """Return every error that can cross from the engine to a worker, by its code."""
    found: dict[str, type[ServiceError]] = {}
    waiting: list[type[ServiceError]] = [ServiceError]
    while waiting:
        each = waiting.pop()
        found.setdefault(each.code, each)
        waiting.extend(each.__subclasses__())
    return found
