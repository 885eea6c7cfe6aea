"""No error of the operating system or of a cloud SDK leaves the package untranslated."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Iterator
from pathlib import Path

import azure.identity
import pytest
from azure.core import exceptions as sdk
from azure.storage.blob import StorageErrorCode

from model_store import (
    Conflict,
    Corrupt,
    Denied,
    InvalidName,
    NoSpace,
    NotFound,
    StoreError,
    Unreachable,
    open_store,
)
from model_store.backends.azure import translate
from model_store.backends.azure_access import CONNECTION_STRING
from model_store.os_errors import from_os_error


def sdk_errors() -> Iterator[type[Exception]]:
    for module in (sdk, azure.identity):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if not issubclass(kind, Exception) or kind is sdk.AzureError:
                continue
            if kind.__module__.startswith("azure."):
                yield kind


def name_of(kind: type[Exception]) -> str:
    return kind.__name__


def bare(kind: type[Exception]) -> Exception:
    """Return an instance without what its constructor wants, which translating must not need."""
    error = kind.__new__(kind)
    error.args = ("a message\nof two lines",)
    return error


@pytest.mark.parametrize("kind", list(sdk_errors()), ids=name_of)
def test_every_exception_of_the_sdk_has_a_meaning(kind: type[Exception]) -> None:
    error = translate(bare(kind), doing="reading", where="az://a/b")
    assert type(error) is not StoreError, f"{kind.__name__} isn't mapped"
    assert "\n" not in str(error)


def test_an_exception_of_the_sdk_that_is_new_to_us_is_still_a_store_error() -> None:
    class BrandNewError(sdk.AzureError):
        pass

    error = translate(BrandNewError("what"), doing="reading", where="az://a/b")
    assert type(error) is StoreError
    assert str(error) == "reading az://a/b: BrandNewError"


def answered(status: int, code: StorageErrorCode | None = None) -> sdk.HttpResponseError:
    error = sdk.HttpResponseError("a message\nof two lines")
    error.status_code = status
    if code is not None:
        error.error_code = code  # type: ignore[attr-defined]  # as the SDK does itself
    return error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, StorageErrorCode.BLOB_NOT_FOUND, NotFound),
        (404, StorageErrorCode.CONTAINER_NOT_FOUND, NotFound),
        (409, StorageErrorCode.BLOB_ALREADY_EXISTS, Conflict),
        (409, StorageErrorCode.CONTAINER_BEING_DELETED, Unreachable),
        (412, StorageErrorCode.CONDITION_NOT_MET, Conflict),
        (400, StorageErrorCode.MD5_MISMATCH, Corrupt),
        (401, None, Denied),
        (403, StorageErrorCode.AUTHENTICATION_FAILED, Denied),
        (403, StorageErrorCode.INSUFFICIENT_ACCOUNT_PERMISSIONS, Denied),
        (413, StorageErrorCode.REQUEST_BODY_TOO_LARGE, NoSpace),
        (416, StorageErrorCode.INVALID_RANGE, Corrupt),
        (429, None, Unreachable),
        (500, StorageErrorCode.INTERNAL_ERROR, Unreachable),
        (503, StorageErrorCode.SERVER_BUSY, Unreachable),
    ],
)
def test_an_answer_of_the_service_has_its_meaning(
    status: int, code: StorageErrorCode | None, kind: type[StoreError]
) -> None:
    error = translate(answered(status, code), doing="reading", where="az://a/b")
    assert type(error) is kind
    assert (code.value if code else str(status)) in str(error)


@pytest.mark.parametrize("code", list(StorageErrorCode), ids=lambda code: code.value)
def test_no_error_code_of_the_service_is_without_meaning(code: StorageErrorCode) -> None:
    assert type(translate(answered(400, code), doing="d", where="w")) is not StoreError


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EACCES, Denied),
        (errno.EROFS, Denied),
        (errno.ENOENT, NotFound),
        (errno.ENAMETOOLONG, InvalidName),
        (errno.EIO, Unreachable),
    ],
)
def test_an_error_of_the_operating_system_has_its_meaning(
    number: int, kind: type[StoreError]
) -> None:
    error = from_os_error(OSError(number, "words"), doing="reading", where="/srv")
    assert type(error) is kind
    assert str(error).startswith("reading /srv: ")


def test_missing_azure_credentials_are_told_apart_from_refused_ones() -> None:
    nobody = translate(sdk.ClientAuthenticationError("a page"), doing="reading", where="az://a/b/c")
    assert isinstance(nobody, Denied)
    assert CONNECTION_STRING in str(nobody)


def test_a_shelf_that_is_a_file_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "shelf").write_text("no folder")
    with pytest.raises(Unreachable, match="is a file, not a folder"):
        open_store(f"file://{tmp_path / 'shelf'}").catalog("resnet50")
