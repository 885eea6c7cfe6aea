"""What is sent and how answers are read; that the service agrees is for the system tests."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from loadtest.class_names import ClassNames
from loadtest.dialects import inference, simple, tfserving
from loadtest.dialects.question import Question
from loadtest.faults import WrongAnswer
from loadtest.samples import DEFAULT_FOLDER, Sample, read_samples


def classes_of(version: str) -> list[str]:
    """Version 8 has other classes."""
    return ["oak", "elm", "ash"] if version == "8" else ["cat", "dog", "fox"]


CAT, DOG = Sample("cat.jpg", b"cat"), Sample("dog.jpg", b"dog")
ROWS = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]
TWO = [{"label": label, "score": 0.5 - n / 10, "wnid": f"n{n}"} for n, label in enumerate("abcde")]


def labels(question: Question, answer: Any, **headers: str) -> list[str]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return [each.label for each in question.read(headers, body).images]


def test_each_dialect_reads_its_own_answers() -> None:
    both = [CAT, DOG]
    assert labels(simple.ask_bytes(CAT), TWO) == ["a"]
    assert labels(simple.ask_json(both), [TWO, TWO]) == ["a", "a"]
    assert labels(simple.ask_form([CAT]), TWO) == ["a"]
    rows = {"predictions": ROWS, "model_version": "7"}
    assert labels(tfserving.ask_predict("m", both, classes_of), rows) == ["cat", "dog"]
    results = {"results": [[["fox", 0.6], ["cat", 0.4]]], "model_version": "7"}
    assert labels(tfserving.ask_classify("m", [CAT]), results) == ["fox"]
    output = {"datatype": "FP32", "shape": [2, 3], "data": [*ROWS[0], *ROWS[1]]}
    assert labels(
        inference.ask_json("m", both, classes_of), {"model_version": "7", "outputs": [output]}
    ) == ["cat", "dog"]
    texts = {"model_version": "7", "outputs": [{"data": ["0.6:2:fox: red", "0.4:0:cat"]}]}
    assert labels(inference.ask_classes("m", [CAT]), texts) == ["fox: red"]


def test_outputs_are_named_as_the_version_that_answered_names_them() -> None:
    question = tfserving.ask_predict("m", [CAT], classes_of)
    assert labels(question, {"predictions": ROWS[:1], "model_version": "8"}) == ["oak"]
    assert labels(question, {"predictions": ROWS[:1], "model_version": "7"}) == ["cat"]


def test_names_are_asked_for_once_a_version_and_default_where_they_can_not_be_had() -> None:
    asked: list[str] = []

    def ask(version: str) -> list[str]:
        asked.append(version)
        return {"": ["cat"], "8": ["oak"]}.get(version, [])

    names = ClassNames(ask)
    assert [list(names(each)) for each in ("8", "8", "9", "9")] == [["oak"]] * 2 + [["cat"]] * 2
    assert asked == ["8", "9", ""]


def test_binary_tensors_are_read_after_their_head() -> None:
    question = inference.ask_binary("m", [CAT, DOG], classes_of)
    output = {"datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}
    head = json.dumps({"model_version": "7", "outputs": [output]}).encode()
    body = head + struct.pack("<6f", *ROWS[0], *ROWS[1])
    length = {"inference-header-content-length": str(len(head))}
    assert labels(question, body, **length) == ["cat", "dog"]
    with pytest.raises(WrongAnswer, match="has a number in"):
        labels(question, body)
    with pytest.raises(WrongAnswer, match="expected 6 numbers"):
        labels(question, body[:-4], **length)


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        (simple.ask_bytes(CAT), b"<html>", "malformed"),
        (simple.ask_bytes(CAT), TWO[:4], "a list of 5 classes"),
        (simple.ask_bytes(CAT), TWO[::-1], "the best class first"),
        (simple.ask_bytes(CAT), [{"label": "a"}] * 5, "'label', 'score' and 'wnid'"),
        (simple.ask_json([CAT, DOG]), [TWO], "expected 2 lists"),
        (
            tfserving.ask_predict("m", [CAT], classes_of),
            {"predictions": [[0.5, 0.1, 0.1]], "model_version": "7"},
            "add up to 0.700",
        ),
        (
            tfserving.ask_predict("m", [CAT], classes_of),
            {"predictions": [[0.5, 0.5]], "model_version": "7"},
            "expected 3 probabilities",
        ),
        (tfserving.ask_predict("m", [CAT], classes_of), {"predictions": ROWS}, "'model_version'"),
        (
            inference.ask_classes("m", [CAT]),
            {"model_version": "7", "outputs": [{"data": ["cat"]}]},
            "'value:index:label'",
        ),
    ],
)
def test_an_answer_that_is_not_as_promised_is_wrong(
    question: Question, answer: Any, said: str
) -> None:
    with pytest.raises(WrongAnswer, match="not of the promised shape") as raised:
        labels(question, answer)
    assert said in str(raised.value)


def test_a_question_names_its_version_or_label_where_its_dialect_does() -> None:
    assert simple.ask_bytes(CAT, version="3").path == "/predict?top=5&version=3"
    assert simple.ask_bytes(CAT, label="canary").path == "/predict?top=5&label=canary"
    predict = tfserving.ask_predict("m", [CAT], classes_of, label="canary")
    assert predict.path == "/v1/models/m/labels/canary:predict"
    assert inference.ask_classes("m", [CAT], version="3").path == "/v2/models/m/versions/3/infer"


def test_images_are_sent_in_many_formats_and_sizes() -> None:
    samples = read_samples(DEFAULT_FOLDER)
    beginnings = {each.data[:4] for each in samples.mixed}
    assert len(beginnings) >= 5
    assert len({each.name for each in samples.mixed}) == len(samples.mixed)
    assert {len(each.data) for each in samples.pixels} == {64 * 64 * 3}


def test_a_folder_without_images_and_a_file_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no images"):
        read_samples(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken\.jpg is not an image"):
        read_samples(tmp_path)
