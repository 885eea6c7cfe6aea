from __future__ import annotations

import hashlib

import pytest

from service.tokens import Tokens

ALICE, DEPLOY = "alice-secret-1234", "ZGVwbG95LXNlY3JldA=="


def test_a_token_tells_who_holds_it() -> None:
    tokens = Tokens.parse(f"alice:{ALICE},deploy:{DEPLOY}")
    assert tokens.who(ALICE) == "alice"
    assert tokens.who(DEPLOY) == "deploy"
    assert tokens.who(ALICE + "x") is None
    assert tokens.who("") is None


def test_a_file_has_one_a_line_with_comments() -> None:
    tokens = Tokens.parse(f"# who may deploy\nalice:{ALICE}\n\n deploy:{DEPLOY}\n")
    assert [name for name, _ in tokens.digests] == ["alice", "deploy"]


def test_a_token_can_be_given_by_its_digest() -> None:
    digest = hashlib.sha256(ALICE.encode()).hexdigest()
    assert Tokens.parse(f"alice:sha256${digest}") == Tokens.parse(f"alice:{ALICE}")


def test_no_token_can_be_read_from_what_is_kept() -> None:
    tokens = Tokens.parse(f"alice:{ALICE}")
    for shown in (str(tokens), repr(tokens), tokens.masked()):
        assert ALICE not in shown
        assert "alice" in shown
    assert Tokens.parse(str(tokens)) == tokens


@pytest.mark.parametrize(
    "text",
    [
        "just-a-token-1234",
        "alice:short",
        "alice:with spaces in it",
        f"al ice:{ALICE}",
        f"alice:{ALICE},alice:{DEPLOY}",
        "alice:sha256$12ab",
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Tokens.parse(text)
    for secret in (ALICE, DEPLOY, "short", "spaces", "just-a", "12ab"):
        assert secret not in str(caught.value)


def test_no_tokens_are_falsy() -> None:
    assert not Tokens.parse("")
    assert Tokens.parse(f"alice:{ALICE}")
