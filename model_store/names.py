"""Which names may stand on a shelf.

Names become paths on every backend and on every machine that pulls, so that one narrow alphabet
holds everywhere: no separators where none belong, no `..`, nothing hidden, nothing that two file
systems spell differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from model_store.errors import InvalidName

MAX_COMPONENT_CHARS = 128
MAX_PATH_CHARS = 512

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_RESERVED_LABELS = {
    "latest": "the newest version",
    "none": "that a label points at nothing",
}
_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+=@,-]*")
_SHOWN_CHARS = 60


def show(name: str) -> str:
    """Return `name` fit for one line of an error message: escaped, quoted and not too long."""
    return ascii(name if len(name) <= _SHOWN_CHARS else name[:_SHOWN_CHARS] + "…")


def check_model(name: str) -> str:
    """Return `name` if it can name a model; raise InvalidName otherwise."""
    if not _MODEL.fullmatch(name) or ".." in name or name.endswith("."):
        raise InvalidName(
            f"model name {show(name)}: use 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit"
            " first, and no '..'"
        )
    return name


def check_label(name: str) -> str:
    """Return `name` if it can be given to a version; raise InvalidName otherwise."""
    check_label_spelling(name)
    if name in _RESERVED_LABELS:
        raise InvalidName(
            f"label {show(name)} is reserved: it means {_RESERVED_LABELS[name]}; choose another"
        )
    return name


def check_label_spelling(name: str) -> str:
    """Return `name` if a label can be spelt so; raise InvalidName otherwise.

    Old catalogs may have labels that couldn't be given any more.
    """
    if not _LABEL.fullmatch(name):
        raise InvalidName(
            f"label {show(name)}: use 1 to 64 of A-Z a-z 0-9 . _ - with a letter first"
        )
    return name


def check_file(name: str) -> str:
    """Return `name` if it can be a file's path within a version; raise InvalidName otherwise."""
    reason = why_not_a_path(name)
    if reason:
        raise InvalidName(f"file name {show(name)}: {reason}")
    return name


def check_distinct(names: Iterable[str]) -> None:
    """Raise InvalidName where two names would be one file on a case-insensitive file system."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InvalidName(
                f"file names {show(other)} and {show(name)} differ only in case; rename one"
            )


def why_not_a_path(name: str) -> str | None:
    """Return why `name` can't be a relative path on a shelf, None where it can."""
    if len(name) > MAX_PATH_CHARS:
        return f"{len(name)} characters; at most {MAX_PATH_CHARS} are allowed"
    if name.startswith("/") or "\\" in name:
        return "must be relative, with forward slashes"
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            return "has an empty part, '.' or '..'"
        if len(part) > MAX_COMPONENT_CHARS:
            return f"a part has {len(part)} characters; at most {MAX_COMPONENT_CHARS} are allowed"
        if not _COMPONENT.fullmatch(part) or part != part.rstrip(" ."):
            return (
                "use A-Z a-z 0-9 . _ + = @ , - and spaces, with a letter, digit or _ first in"
                " each part and no space or dot at its end"
            )
    return None
