"""What can go wrong with a shelf.

::

    StoreError
    ├── InvalidStoreUrl   the store's URL can't be understood
    ├── InvalidName       a model, file or label name that could leave the store or confuse a reader
    ├── InvalidVersion    a folder, metric or signature that can't become a version
    ├── InvalidTraffic    weights that requests can't be shared out by
    ├── NotFound          the model, version, label or file isn't there
    ├── Conflict          somebody else changed it first, or a rule of the shelf forbids it
    ├── Corrupt           bytes that aren't the published ones
    ├── Unreachable       the store doesn't answer, or gives up in the middle
    ├── Denied            the store answers, and says no
    └── NoSpace           the disk, or the quota, is full

Every message is one line: what happened, where, what to do. Exceptions of the operating system and
of cloud SDKs are translated in `os_errors.py` and in the backends, and never leave this package.
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything that goes wrong with a shelf; catch this to catch all."""


class InvalidStoreUrl(StoreError):
    """The store's URL can't be understood."""


class InvalidName(StoreError):
    """A model, file or label name that could leave the store or confuse a reader."""


class InvalidVersion(StoreError):
    """A folder, metric or signature that can't become a version."""


class InvalidTraffic(StoreError):
    """Weights that requests can't be shared out by."""


class NotFound(StoreError):
    """The model, version, label or file isn't there; the message lists what is."""


class Conflict(StoreError):
    """Somebody else changed it first, or a rule of the shelf forbids it; the message says who."""


class Corrupt(StoreError):
    """Bytes that aren't the published ones."""


class Unreachable(StoreError):
    """The store doesn't answer, or gives up in the middle; trying again later may work."""


class Denied(StoreError):
    """The store answers, and says no: credentials or permissions."""


class NoSpace(StoreError):
    """The disk, or the quota, is full."""
