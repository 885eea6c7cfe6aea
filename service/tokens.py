"""Named bearer tokens: who may do something, without keeping a secret in memory.

Only SHA-256 digests are kept and passed on between the service's processes. That is enough for
tokens that nobody can guess; it is no way to keep passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

HASHED = "sha256$"
SHORTEST = 12

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What may stand in an Authorization header (RFC 6750).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_DIGEST = re.compile(r"[0-9a-f]{64}")

_ALLOWED = (
    f"name:token, several with commas between them; a token has {SHORTEST} characters or more of "
    "A-Z a-z 0-9 . _ ~ + / - (openssl rand -hex 16 makes a good one)"
)


@dataclass(frozen=True)
class Tokens:
    """Digests of tokens by the name of who holds them; falsy where there are none."""

    digests: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Tokens:
        """Read `name:token` entries between commas or on lines; `#` starts a comment line.

        `name:sha256$HEX` gives a token by its digest. Raises ValueError, saying what is allowed
        but nothing of what was given.
        """
        entries = [
            entry.strip()
            for line in text.splitlines()
            if not line.lstrip().startswith("#")
            for entry in line.split(",")
            if entry.strip()
        ]
        digests = tuple(map(_parse_entry, entries))
        names = [name for name, _ in digests]
        if len(set(names)) != len(names):
            raise ValueError("every name only once")
        return cls(digests)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.digests)

    def __str__(self) -> str:
        """Return what `parse` reads again; it holds no token."""
        return ",".join(f"{name}:{HASHED}{digest.hex()}" for name, digest in self.digests)

    def __repr__(self) -> str:
        return f"Tokens({self.masked()})"

    def masked(self) -> str:
        """Return the names alone."""
        return ",".join(f"{name}:***" for name, _ in self.digests)

    def who(self, token: str) -> str | None:
        """Return the name of the token's holder, None where nobody holds it.

        Takes equally long whichever of them it is and however much of one it resembles.
        """
        given = hashlib.sha256(token.encode()).digest()
        found = None
        for name, digest in self.digests:
            if hmac.compare_digest(digest, given):
                found = name
        return found


def _parse_entry(entry: str) -> tuple[str, bytes]:
    name, colon, token = entry.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(_ALLOWED)
    if token.startswith(HASHED):
        digest = token.removeprefix(HASHED)
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"after {HASHED}, the 64 hexadecimal digits of a token's SHA-256")
        return name, bytes.fromhex(digest)
    if len(token) < SHORTEST or not _TOKEN.fullmatch(token):
        raise ValueError(_ALLOWED)
    return name, hashlib.sha256(token.encode()).digest()
