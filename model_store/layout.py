"""Where everything lies on a shelf; keys are relative to the store's root.

::

    resnet50/catalog.json            the single commit point
    resnet50/_versions-501-3f…/      older rows of a long catalog whose next number was 501
    resnet50/_events-200-9c…/        older events of one that had 200
    resnet50/7/saved_model.pb …      the SavedModel, as TensorFlow Serving wants it
    resnet50/7/model.onnx            as Triton wants it
    resnet50/7/classes.json          what the outputs mean
    resnet50/7/manifest.json         size and SHA-256 of each file, and where they come from

Names that start with a dot or _ are the workings of Hotshelf: pages of a long catalog and, on a
local shelf, the lock of the catalog and what is being written. A crash may leave some behind; `gc`
removes them.
"""

from __future__ import annotations

import re
from typing import Literal

from model_store.errors import InvalidName
from model_store.names import check_file, check_model, show

CATALOG = "catalog.json"
MANIFEST = "manifest.json"
CLASSES = "classes.json"
SAVED_MODEL = "saved_model.pb"
ONNX_SUFFIX = ".onnx"

LOCK = ".lock"
# Neither TensorFlow Serving nor Triton takes this for a version. It must also sort behind all
# numbers: Triton looks into a model's first subfolder for what kind of model it is.
STAGE_PREFIX = "_stage-"
TEMPORARY_PREFIX = ".tmp-"

PAGE = "page.json"
# They sort behind all numbers for the same reason.
_PAGE_NAME = re.compile(r"_(versions|events)-([1-9][0-9]*)-[0-9a-f]+")
PageKind = Literal["versions", "events"]


def catalog_key(model: str) -> str:
    """Return the key of the model's catalog."""
    return f"{check_model(model)}/{CATALOG}"


def version_prefix(model: str, version: int) -> str:
    """Return the key under which every file of the version lies, without a slash at its end."""
    return f"{check_model(model)}/{version:d}"


def file_key(model: str, version: int, name: str) -> str:
    """Return the key of one file of a version."""
    return f"{version_prefix(model, version)}/{check_file(name)}"


def version_of(key: str, model: str) -> int | None:
    """Return the version that the key belongs to, None where it belongs to none.

    Only the spelling that `version_prefix` writes counts: `007` and `+7` belong to nothing.
    """
    owner, _, rest = key.partition("/")
    number, separator, _ = rest.partition("/")
    if owner != model or not separator or not number.isascii() or not number.isdigit():
        return None
    return int(number) if str(int(number)) == number and number != "0" else None


def version_page(next_version: int, nonce: str) -> str:
    """Return the name of a page of a catalog with that next number."""
    return f"_versions-{next_version:d}-{nonce}"


def event_page(event_count: int, nonce: str) -> str:
    """Return the name of a page of a catalog with so many events."""
    return f"_events-{event_count:d}-{nonce}"


def page_prefix(model: str, name: str) -> str:
    """Return the key under which the page lies; raise InvalidName for what names no page."""
    if parse_page(name) is None:
        raise InvalidName(f"page name {show(name)}: a catalog's pages aren't named so")
    return f"{check_model(model)}/{name}"


def parse_page(name: str) -> tuple[PageKind, int] | None:
    """Return what `version_page` or `event_page` put into the name, None for other names."""
    match = _PAGE_NAME.fullmatch(name)
    if match is None:
        return None
    return ("versions" if match[1] == "versions" else "events"), int(match[2])
