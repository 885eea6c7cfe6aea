from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import InvalidStoreUrl, StoreError, open_store
from model_store.backends.azure_access import Access
from model_store.url import AzureUrl, FileUrl, parse_store_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("file:///srv/shelf", FileUrl(Path("/srv/shelf"))),
        ("file:///srv/shelf/", FileUrl(Path("/srv/shelf"))),
        ("file://localhost/srv/my%20shelf", FileUrl(Path("/srv/my shelf"))),
        ("az://models1/shelf", AzureUrl("models1", "shelf", "")),
        ("az://models1/shelf/", AzureUrl("models1", "shelf", "")),
        ("az://models1/shelf/a/b/", AzureUrl("models1", "shelf", "a/b")),
    ],
)
def test_a_good_url_is_understood_and_written_back(text: str, url: FileUrl | AzureUrl) -> None:
    assert parse_store_url(text) == url
    assert parse_store_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/srv/shelf", "is a plain path; write file:///srv/shelf"),
        ("", "use file:///absolute/folder or az://"),
        ("file://srv/shelf", "three slashes"),
        ("file:///", "absolute folder below"),
        ("file:///srv/../etc", r"without '\.\.'"),
        ("file:///srv/%2e%2e/etc", r"without '\.\.'"),
        ("s3://bucket/shelf", "unknown scheme"),
        ("az://UP/shelf", "the account 'UP'"),
        ("az://models1", "the container ''"),
        ("az://models1/a--b", "the container 'a--b'"),
        ("az://models1/shelf/../x", "'..'"),
        ("az://models1/shelf/a//b", "the prefix 'a//b': has an empty part"),
        ("az://models1/shelf?sig=secret", "credentials come from AZURE_"),
        ("az://me:secret@models1/shelf", "credentials come from AZURE_"),
        ("az://[models1/shelf", "use file:///"),
    ],
)
def test_a_bad_url_is_refused_with_a_hint_and_without_its_secret(text: str, reason: str) -> None:
    with pytest.raises(InvalidStoreUrl, match=reason) as caught:
        open_store(text)
    assert "secret" not in str(caught.value)


def test_a_relative_path_is_answered_with_the_absolute_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidStoreUrl, match=f"write file://{tmp_path}/shelf"):
        open_store("shelf")


def outcome(text: str) -> str:
    try:
        return str(parse_store_url(text))
    except StoreError as error:
        return str(error)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_a_store_error_of_one_line(text: str) -> None:
    for candidate in (text, "file://" + text, "az://" + text):
        assert "\n" not in outcome(candidate)


def test_a_connection_string_for_another_account_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        "DefaultEndpointsProtocol=https;AccountName=other;AccountKey=c2VjcmV0;"
        "EndpointSuffix=core.windows.net",
    )
    with pytest.raises(InvalidStoreUrl, match=r"names the account models1, but .* is for other"):
        open_store("az://models1/shelf")


def test_a_broken_connection_string_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=secret")
    with pytest.raises(InvalidStoreUrl, match="isn't a connection string") as caught:
        open_store("az://models1/shelf")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("AccountKey=abc", "the AccountKey in AZURE_STORAGE_CONNECTION_STRING is malformed"),
        (
            "AccountKey=c2Vj;BlobEndpoint=https://secret:abc/models1",
            "BlobEndpoint in .* like https",
        ),
        ("AccountKey=c2Vj;BlobEndpoint=https://secret:99999", "BlobEndpoint in .* like https"),
        ("AccountKey=c2Vj;BlobEndpoint=https://[secret", "isn't a connection string"),
    ],
)
def test_a_connection_string_that_cannot_work_is_refused_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch, parts: str, reason: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=models1;{parts}")
    with pytest.raises(InvalidStoreUrl, match=reason) as caught:
        open_store("az://models1/shelf")
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["", "BlobEndpoint=https://[::1]:65535/models1;"])
def test_a_connection_string_that_can_work_is_taken(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    text = f"{endpoint}AccountName=models1;AccountKey=c2Vj"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    open_store("az://models1/shelf").close()


def test_access_shows_none_of_its_secrets() -> None:
    assert "secret" not in repr(Access("AccountKey=secret", "sig=secret"))


def test_a_local_shelf_does_not_wait_for_the_azure_sdk() -> None:
    program = (
        "import sys, model_store; model_store.open_store('file:///x').catalog('m');"
        "print([name for name in sys.modules if name.partition('.')[0] == 'azure'])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert answer.stdout.strip() == "[]"
