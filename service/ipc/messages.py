"""The messages between an HTTP worker and the engine, grouped by who sends them."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from service.changes import Change, ShelfState
from service.correlation import NOBODY, Correlation
from service.errors import ServiceError, error_classes
from service.facts import VersionFacts
from service.reference import VersionRef
from service.statistics import VersionStatistics

# A batch of images, uint8 [N, 64, 64, 3], and its answer, float32 [N, classes].
Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]

# A piece of a frame; tensors go out without being copied.
Part = bytes | memoryview


class Kind(enum.IntEnum):
    """The frame's second byte."""

    INFER = 1
    STATUS = 2
    DESCRIBE = 3
    ADMINISTER = 4
    ASK_FACTS = 5
    ASK_STATISTICS = 6
    CANCEL = 7
    ANSWER = 17
    STATE = 18
    DESCRIPTION = 19
    FAILURE = 20
    SHELF = 21
    FACTS = 22
    STATISTICS = 23


# --- the two shapes that most messages have ---------------------------------------------------


class _Bare:
    __slots__ = ()

    def payload(self) -> tuple[Part, ...]:
        """Return nothing: the frame's head says it all."""
        return ()

    @classmethod
    def parse(cls, payload: bytes) -> Self:  # noqa: ARG003 - the same shape for every message
        """Read nothing."""
        return cls()


class _Json(msgspec.Struct, frozen=True):
    def payload(self) -> tuple[Part, ...]:
        """Return the message as JSON."""
        return (msgspec.json.encode(self),)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read what `payload` wrote."""
        return msgspec.json.decode(payload, type=cls)


# --- what a worker sends ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Infer:
    """Run the model on images, with the version that `ref` names.

    `deadline` is in seconds of CLOCK_MONOTONIC, which all processes of a machine share.
    """

    kind: ClassVar[Kind] = Kind.INFER
    # Version number (0: none given), deadline, bytes of label and correlation after it.
    _head: ClassVar[struct.Struct] = struct.Struct("<qdII")

    images: Images
    ref: VersionRef
    deadline: float
    correlation: Correlation = NOBODY

    def payload(self) -> tuple[Part, ...]:
        """Return the parts of the frame's payload, in order."""
        label = self.ref.label.encode()
        correlation = self.correlation.encode()
        number = self.ref.number or 0
        head = self._head.pack(number, self.deadline, len(label), len(correlation))
        return head + label + correlation, np.ascontiguousarray(self.images).data.cast("B")

    @classmethod
    def parse(cls, payload: bytes) -> Infer:
        """Read what `payload` wrote; ValueError when the tensor's bytes don't fit its shape."""
        number, deadline, label_bytes, correlation_bytes = cls._head.unpack_from(payload)
        middle = cls._head.size + label_bytes
        start = middle + correlation_bytes
        ref = VersionRef(number or None, payload[cls._head.size : middle].decode())
        correlation = Correlation.parse(payload[middle:start])
        pixels = np.frombuffer(payload, np.uint8, offset=start).reshape(-1, *IMAGE_SHAPE)
        return cls(pixels, ref, deadline, correlation)


@dataclass(frozen=True, slots=True)
class Cancel(_Bare):
    """Whoever sent the request of this frame's number has gone; no answer is expected."""

    kind: ClassVar[Kind] = Kind.CANCEL


@dataclass(frozen=True, slots=True)
class AskStatus(_Bare):
    """Ask for the state of every version; answered with EngineState."""

    kind: ClassVar[Kind] = Kind.STATUS


class AskDescription(_Json, frozen=True):
    """Ask what a version answers with; answered with VersionDescription."""

    kind: ClassVar[Kind] = Kind.DESCRIBE

    version: int


@dataclass(frozen=True, slots=True)
class AskFacts(_Bare):
    """Ask what the shelf says about its versions; answered with Facts."""

    kind: ClassVar[Kind] = Kind.ASK_FACTS


@dataclass(frozen=True, slots=True)
class AskStatistics(_Bare):
    """Ask what was counted for each version; answered with Statistics."""

    kind: ClassVar[Kind] = Kind.ASK_STATISTICS


class Administer(_Json, frozen=True):
    """Carry out a change that `by` asked for; answered with Shelf.

    Without a change: only tell what the catalog says.
    """

    kind: ClassVar[Kind] = Kind.ADMINISTER

    by: str
    change: Change | None = None


# --- what the engine sends -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """The probabilities, float32 [N, classes], and the version that gave them."""

    kind: ClassVar[Kind] = Kind.ANSWER
    _head: ClassVar[struct.Struct] = struct.Struct("<qII")

    version: int
    probabilities: Probabilities

    def payload(self) -> tuple[Part, ...]:
        """Return the parts of the frame's payload, in order."""
        head = self._head.pack(self.version, *self.probabilities.shape)
        return head, self.probabilities.tobytes()

    @classmethod
    def parse(cls, payload: bytes) -> Answer:
        """Read what `payload` wrote."""
        version, count, classes = cls._head.unpack_from(payload)
        values = np.frombuffer(payload, np.float32, offset=cls._head.size)
        return cls(version, values.reshape(count, classes))


class VersionStatus(msgspec.Struct, frozen=True):
    """One version as TensorFlow Serving names states; `error` says why it isn't available.

    `variant` is the model file that is loaded, "" while none is; `failures` how many tries to load
    it have failed since it was last available.
    """

    version: int
    state: str
    error: str = ""
    variant: str = ""
    failures: int = 0


class EngineState(_Json, frozen=True):
    """Every version the engine knows, ascending; `default` answers requests that name none.

    `labels` name the versions that answer for them, or will once something can. `weights` share
    requests that name no version out among several (a canary); empty: all go to `default`.
    `waiting` says why nothing is served while that is so, `store_problem` why the store couldn't be
    read the last time.
    """

    kind: ClassVar[Kind] = Kind.STATE

    model: str
    default: int | None
    versions: tuple[VersionStatus, ...]
    waiting: str = ""
    labels: dict[str, int] = {}
    weights: dict[int, int] = {}
    queued_images: int = 0
    queue_limit: int = 0
    store_problem: str = ""
    device: str = "cpu"


class ClassName(msgspec.Struct, frozen=True):
    """One output of the model: its WordNet id and its readable name."""

    wnid: str
    label: str


class VersionDescription(_Json, frozen=True):
    """What never changes about a version: the meaning of its outputs, in their order."""

    kind: ClassVar[Kind] = Kind.DESCRIPTION

    version: int
    classes: tuple[ClassName, ...]


class Shelf(_Json, frozen=True):
    """What the catalog says now."""

    kind: ClassVar[Kind] = Kind.SHELF

    state: ShelfState


class Facts(_Json, frozen=True):
    """The shelf's newest and labelled versions, ascending, served or not."""

    kind: ClassVar[Kind] = Kind.FACTS

    versions: tuple[VersionFacts, ...]


class Statistics(_Json, frozen=True):
    """What was counted for each version, ascending."""

    kind: ClassVar[Kind] = Kind.STATISTICS

    versions: tuple[VersionStatistics, ...]


class Failure(_Json, frozen=True):
    """The request failed; `code` is that of a ServiceError."""

    kind: ClassVar[Kind] = Kind.FAILURE

    code: str
    message: str

    @classmethod
    def of(cls, error: ServiceError) -> Failure:
        """Return the failure that carries this error."""
        return cls(error.code, str(error))

    def error(self) -> ServiceError:
        """Return the error this failure carries."""
        return error_classes().get(self.code, ServiceError)(self.message)


Request = Infer | AskStatus | AskDescription | AskFacts | AskStatistics | Administer
Reply = Answer | EngineState | VersionDescription | Shelf | Facts | Statistics | Failure
Message = Request | Cancel | Reply

_BY_KIND: dict[int, type[Message]] = {
    each.kind: each
    for each in (
        Infer, AskStatus, AskDescription, AskFacts, AskStatistics, Administer, Cancel,
        Answer, EngineState, VersionDescription, Shelf, Facts, Statistics, Failure,
    )
}  # fmt: skip


def parse_message(kind: int, payload: bytes) -> Message:
    """Return the message of a frame; ValueError for a kind or a payload that isn't ours."""
    found = _BY_KIND.get(kind)
    if found is None:
        raise ValueError(f"frame of unknown kind {kind}")
    try:
        return found.parse(payload)
    except (struct.error, msgspec.DecodeError) as error:
        raise ValueError(f"damaged {Kind(kind).name} frame: {error}") from error
