from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.dialects.question import Ranked
from loadtest.faults import WrongAnswer
from loadtest.known import KnownAnswers, agree, read_expected
from loadtest.samples import Sample

CAT = Sample("cat.jpg", b"")
TABBY = Ranked("tabby", 0.8, "lynx", 0.1)
ALMOST = Ranked("tabby", 0.81, "lynx", 0.1)
LYNX = Ranked("lynx", 0.7, "tabby", 0.2)


def test_two_answers_alike_make_an_image_known() -> None:
    known = KnownAnswers()
    known.judge("7", CAT, TABBY)
    assert len(known) == 0
    known.judge("7", CAT, ALMOST)
    assert len(known) == 1
    with pytest.raises(WrongAnswer, match=r"cat.jpg: expected 'tabby' .* got 'lynx'"):
        known.judge("7", CAT, LYNX)


def test_a_wrong_first_answer_is_found_out() -> None:
    known = KnownAnswers()
    known.judge("7", CAT, LYNX)
    known.judge("7", CAT, TABBY)
    with pytest.raises(WrongAnswer, match=r"an earlier answer: .* got 'lynx'"):
        known.judge("7", CAT, ALMOST)
    known.judge("7", CAT, TABBY)


def test_versions_may_differ() -> None:
    known = KnownAnswers()
    for version, answer in (("7", TABBY), ("8", LYNX), ("7", TABBY), ("8", LYNX)):
        known.judge(version, CAT, answer)
    assert len(known) == 2


def test_a_teams_own_answers_are_never_outvoted() -> None:
    known = KnownAnswers({"cat.jpg": "lynx"})
    for _ in range(2):
        with pytest.raises(WrongAnswer, match="'lynx' as --known says"):
            known.judge("7", CAT, TABBY)
    known.judge("7", CAT, LYNX)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ALMOST, True),
        (Ranked("tabby", 0.75, "lynx", 0.2), False),
        (LYNX, False),
    ],
)
def test_scores_may_differ_by_arithmetic_only(other: Ranked, expected: bool) -> None:
    assert agree(TABBY, other) is expected


def test_either_of_two_equally_probable_classes_may_come_first() -> None:
    assert agree(Ranked("a", 0.400, "b", 0.399), Ranked("b", 0.401, "a", 0.398))


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "known.json"), ("[]", "expected {"), ('{"cat.jpg": "dog"}', "no class 'dog'")],
)
def test_a_file_of_known_answers_that_is_wrong_says_where(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"known\.json") as raised:
        read_expected(path, ["tabby"])
    assert said in str(raised.value)
    path.write_text('{"cat.jpg": "tabby"}')
    assert read_expected(path, ["tabby"]) == {"cat.jpg": "tabby"}
