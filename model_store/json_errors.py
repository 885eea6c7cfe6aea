"""What decoding JSON may raise that somebody else wrote."""

from __future__ import annotations

import msgspec

# RecursionError: brackets nested a thousand deep.
JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
