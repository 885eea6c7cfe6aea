"""JSON that a client sent: decoded into a given type, or refused with the place that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from service.errors import InvalidRequest

T = TypeVar("T")


def decode_json(
    decode: Callable[[bytes], T], text: bytes, *, what: str = "the body", expected: str = ""
) -> T:
    """Return what a msgspec decoder makes of `text`.

    Raises InvalidRequest, which says where it is wrong and what was `expected`.
    """
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        rest = f"; expected {expected}" if expected else ""
        raise InvalidRequest(f"{what} isn't a valid request: {error}{rest}") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"{what} isn't valid JSON: {error}") from None
    except UnicodeDecodeError as error:  # of a key; msgspec reports that of a value itself
        raise InvalidRequest(f"{what} isn't valid JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest(f"{what} isn't a valid request: it is nested too deeply") from None
