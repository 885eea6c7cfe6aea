"""What can go wrong with a request, as facts; each REST dialect renders them in its own shape.

ServiceError
├── InvalidRequest        the caller sent something that can't be understood
│   └── PayloadTooLarge   … or more of it than is allowed
│       └── TooMuchImage  … in pixels or images, within a body of allowed size
├── VersionNotFound       no such version is being served
├── NotOnShelf            the store has no such version or label
├── Unauthorized          the request's token is missing or unknown
├── Forbidden             nobody may do that here
├── ChangeConflict        somebody else's change, or a rule of the shelf, is in the way
└── NotNow                nothing is wrong with the request; the same one may succeed later
    ├── NotReady          no version is being served yet
    ├── Overloaded        the queue is full
    ├── DeadlineExceeded  the answer wasn't there in time
    ├── StoreUnavailable  the store can't be read or changed
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


class TooMuchImage(PayloadTooLarge):
    """An image has too many pixels, or the request too many images."""

    code = "too_much_image"


class VersionNotFound(ServiceError):
    """The version asked for isn't being served."""

    code = "version_not_found"
    status = 404


class NotOnShelf(ServiceError):
    """The store has no such version or label."""

    code = "not_on_shelf"
    status = 404


class Unauthorized(ServiceError):
    """The request's token is missing or unknown; the answer asks for one (RFC 6750)."""

    code = "unauthorized"
    status = 401


class Forbidden(ServiceError):
    """Nobody may do that here: the service isn't set up for it."""

    code = "forbidden"
    status = 403


class ChangeConflict(ServiceError):
    """Somebody else's change, or a rule of the shelf, is in the way."""

    code = "conflict"
    status = 409


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


class StoreUnavailable(NotNow):
    """The store can't be read or changed; what is loaded goes on serving."""

    code = "store_unavailable"


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
