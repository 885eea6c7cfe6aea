from __future__ import annotations

import pytest

from service.web.bridge import Environ
from service.web.head import (
    BadHead,
    Fields,
    add_request,
    announced_length,
    connection_environ,
    response_bytes,
)

HOST = (b"host", b"here")


def environ(
    target: bytes = b"/", *fields: tuple[bytes, bytes], version: tuple[int, int] = (1, 1)
) -> Environ:
    made = connection_environ(("127.0.0.1", 8000), ("127.0.0.1", 50000))
    add_request(made, b"POST", target, version, [HOST, *fields])
    return made


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/predict?top=3&x=%2F", "/predict", "top=3&x=%2F"),
        (b"/a%20b", "/a b", ""),
        ("/größe".encode(), "/größe".encode().decode("latin-1"), ""),
        (b"/gr%C3%B6%C3%9Fe", "/größe".encode().decode("latin-1"), ""),
        (b"http://here/predict?a", "/predict", "a"),
        (b"http://here", "/", ""),
        (b"*", "*", ""),
    ],
)
def test_a_target_becomes_path_and_query(target: bytes, path: str, query: str) -> None:
    made = environ(target)
    assert (made["PATH_INFO"], made["QUERY_STRING"]) == (path, query)


@pytest.mark.parametrize("target", [b"predict", b"ftp://here/", b"here:443"])
def test_another_target_is_refused(target: bytes) -> None:
    with pytest.raises(BadHead, match="neither a path nor a URL"):
        environ(target)


def test_a_query_that_is_no_text_is_refused() -> None:
    assert environ("/?label=größe".encode())["QUERY_STRING"].encode("latin-1").decode()
    with pytest.raises(BadHead, match="UTF-8") as refused:
        environ(b"/?label=\xff")
    assert refused.value.status == "400 Bad Request"


def test_fields_become_wsgi_names_and_several_of_a_name_are_joined() -> None:
    made = environ(b"/", (b"content-type", b"image/jpeg"), (b"x-one", b"1"), (b"x-one", b"2"))
    assert made["CONTENT_TYPE"] == "image/jpeg"
    assert made["HTTP_X_ONE"] == "1,2"
    assert made["HTTP_HOST"] == "here"


def test_a_name_with_an_underscore_cannot_pass_for_another() -> None:
    assert "HTTP_X_USER" not in environ(b"/", (b"x_user", b"admin"))


def test_a_folded_field_is_refused() -> None:
    with pytest.raises(BadHead, match="folded"):
        environ(b"/", (b"", b" more"))


def test_http_1_1_needs_a_host_and_1_0_does_not() -> None:
    def without_host(version: tuple[int, int]) -> None:
        nothing: Fields = []
        add_request(connection_environ("", ""), b"GET", b"/", version, nothing)

    with pytest.raises(BadHead, match="Host"):
        without_host((1, 1))
    without_host((1, 0))


def test_a_body_is_announced_by_length_or_comes_in_chunks() -> None:
    assert announced_length(environ(b"/", (b"content-length", b"12"))) == 12
    assert announced_length(environ(b"/", (b"transfer-encoding", b"Chunked"))) is None
    with pytest.raises(BadHead) as refused:
        announced_length(environ(b"/", (b"transfer-encoding", b"gzip, chunked")))
    assert refused.value.status == "400 Bad Request"


def test_an_answer_says_its_length_once() -> None:
    def lengths(headers: list[tuple[str, str]], status: str = "200 OK") -> int:
        sent = response_bytes(status, headers, b"body", method="GET", last=False, old=False)
        assert sent.endswith(b"\r\n\r\nbody")
        return sent.lower().count(b"content-length: 4\r\n")

    assert lengths([]) == 1
    assert lengths([("content-length", "4")]) == 1
    assert lengths([], "304 Not Modified") == 0


def test_an_answer_to_head_has_no_body() -> None:
    sent = response_bytes("200 OK", [], b"body", method="HEAD", last=False, old=False)
    assert sent.endswith(b"Content-Length: 4\r\n\r\n")


@pytest.mark.parametrize(
    ("last", "old", "said"),
    [
        (True, False, b"Connection: close"),
        (True, True, b"Connection: close"),
        (False, True, b"Connection: keep-alive"),
        (False, False, b""),
    ],
)
def test_an_answer_tells_whether_the_connection_stays(last: bool, old: bool, said: bytes) -> None:
    sent = response_bytes("200 OK", [], b"", method="GET", last=last, old=old)
    assert (said in sent) if said else (b"Connection" not in sent)
