from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.changes import (
    LoadVersion,
    MoveLabel,
    PastEvent,
    Reload,
    RollBack,
    ShareOut,
    ShelfState,
    UnloadVersion,
)
from service.errors import ServiceError, error_classes
from service.ipc.messages import (
    Administer,
    Answer,
    AskDescription,
    AskStatus,
    ClassName,
    EngineState,
    Failure,
    Infer,
    Message,
    Shelf,
    VersionDescription,
    VersionStatus,
)
from service.ipc.wire import PROTOCOL_VERSION, FrameReader, ProtocolError, frame
from service.reference import DEFAULT, VersionRef

IMAGES = np.arange(2 * 64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 64, 64, 3)

JSON_MESSAGES: list[Message] = [
    AskStatus(),
    AskDescription(7),
    EngineState("resnet50", 7, (VersionStatus(7, "AVAILABLE"), VersionStatus(8, "END", "why"))),
    EngineState("resnet50", None, (), "the store is empty"),
    VersionDescription(7, (ClassName("n01443537", "goldfish"),)),
    Failure("overloaded", "the queue is full"),
    Administer("alice"),
    *(
        Administer("alice", change)
        for change in (
            MoveLabel("production", 7),
            MoveLabel("production", None, None),
            MoveLabel("production", 7, 6),
            RollBack("production"),
            ShareOut({6: 90, 7: 10}),
            LoadVersion(5),
            UnloadVersion(5),
            Reload(),
        )
    ),
    Shelf(
        ShelfState(
            {"production": 7},
            {7: 1},
            (5,),
            (),
            (PastEvent("2026-01-01T00:00:00Z", "alice", "label", "production", None, 7),),
        )
    ),
]


def on_the_wire(*messages: Message) -> bytes:
    return b"".join(bytes(part) for n, each in enumerate(messages) for part in frame(n, each))


@pytest.mark.parametrize("message", JSON_MESSAGES, ids=lambda each: type(each).__name__)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert list(FrameReader().feed(on_the_wire(message))) == [(0, message)]


@pytest.mark.parametrize("ref", [DEFAULT, VersionRef(12), VersionRef(label="größer")], ids=str)
def test_a_tensor_arrives_bit_for_bit(ref: VersionRef) -> None:
    ((_, message),) = FrameReader().feed(on_the_wire(Infer(IMAGES, ref, 12.5)))
    assert isinstance(message, Infer)
    assert (message.images == IMAGES).all()
    assert (message.ref, message.deadline) == (ref, 12.5)


def test_an_answer_arrives_bit_for_bit() -> None:
    probabilities = np.random.default_rng(1).random((3, 200), dtype=np.float32)
    ((_, message),) = FrameReader().feed(on_the_wire(Answer(9, probabilities)))
    assert isinstance(message, Answer)
    assert (message.probabilities == probabilities).all()
    assert message.version == 9


@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=50))
def test_messages_survive_any_cutting_of_the_stream(cuts: list[int]) -> None:
    stream = on_the_wire(*JSON_MESSAGES)
    reader, got, start = FrameReader(), [], 0
    for cut in [*cuts, len(stream)]:
        got += list(reader.feed(stream[start : start + cut]))
        start += cut
    assert [message for _, message in got] == JSON_MESSAGES
    assert [number for number, _ in got] == list(range(len(JSON_MESSAGES)))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param((0, PROTOCOL_VERSION + 1, 2, 0, 1), id="another protocol version"),
        pytest.param((2**31, PROTOCOL_VERSION, 2, 0, 1), id="an absurd length"),
        pytest.param((0, PROTOCOL_VERSION, 99, 0, 1), id="an unknown kind"),
        pytest.param((0, PROTOCOL_VERSION, 1, 0, 1), id="an empty tensor message"),
        pytest.param((0, PROTOCOL_VERSION, 20, 0, 1), id="JSON that isn't there"),
    ],
)
def test_what_is_not_ours_is_a_protocol_error(header: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        list(FrameReader().feed(struct.pack("<IBBHI", *header)))


def test_a_tensor_of_odd_size_is_a_protocol_error() -> None:
    payload = struct.pack("<qd", 0, 1.0) + bytes(1000)
    header = struct.pack("<IBBHI", len(payload), PROTOCOL_VERSION, 1, 0, 1)
    with pytest.raises(ProtocolError):
        list(FrameReader().feed(header + payload))


@pytest.mark.parametrize("kind", error_classes().values(), ids=lambda each: each.__name__)
def test_every_error_crosses_to_the_worker_as_itself(kind: type[ServiceError]) -> None:
    ((_, message),) = FrameReader().feed(on_the_wire(Failure.of(kind("what was wrong"))))
    assert isinstance(message, Failure)
    error = message.error()
    assert type(error) is kind
    assert str(error) == "what was wrong"
