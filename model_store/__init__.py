"""The shelf: versions of models in a local folder or in Azure Blob Storage.

>>> from model_store import open_store
>>> store = open_store("file:///srv/shelf")
>>> store.catalog("resnet50").latest is None
True
"""

from model_store.cache import VersionCache
from model_store.catalog import Catalog, Event, VersionEntry
from model_store.errors import (
    Conflict,
    Corrupt,
    Denied,
    InvalidName,
    InvalidStoreUrl,
    InvalidVersion,
    NoSpace,
    NotFound,
    StoreError,
    Unreachable,
)
from model_store.garbage import Garbage, Orphan
from model_store.manifest import FileEntry, Lineage, Manifest, Signature, TensorSpec
from model_store.progress import Progress
from model_store.store import ModelStore, open_store
from model_store.verifier import Damage

__all__ = [
    "Catalog",
    "Conflict",
    "Corrupt",
    "Damage",
    "Denied",
    "Event",
    "FileEntry",
    "Garbage",
    "InvalidName",
    "InvalidStoreUrl",
    "InvalidVersion",
    "Lineage",
    "Manifest",
    "ModelStore",
    "NoSpace",
    "NotFound",
    "Orphan",
    "Progress",
    "Signature",
    "StoreError",
    "TensorSpec",
    "Unreachable",
    "VersionCache",
    "VersionEntry",
    "open_store",
]
