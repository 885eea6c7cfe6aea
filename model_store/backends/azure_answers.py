"""What Azure Blob Storage means by its error codes and HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping

from model_store.errors import Conflict, Corrupt, Denied, NoSpace, NotFound, StoreError, Unreachable

BY_CODE: Mapping[str, tuple[type[StoreError], str]] = {
    "AuthenticationFailed": (
        Denied,
        "the store refuses these credentials; they may have expired or be another account's",
    ),
    "AccountIsDisabled": (Denied, "the storage account is disabled"),
    "InsufficientAccountPermissions": (Denied, "the credentials don't allow this operation"),
    "AuthorizationPermissionMismatch": (Denied, "the credentials don't allow this operation"),
    "LeaseIdMissing": (Denied, "somebody holds a lease on it; break the lease first"),
    "BlobImmutableDueToPolicy": (Denied, "an immutability policy protects it"),
    "ContainerNotFound": (NotFound, "the container doesn't exist"),
    "ContainerBeingDeleted": (Unreachable, "the container is being deleted; try again later"),
    "Md5Mismatch": (Corrupt, "bytes were damaged on the way; publish again"),
    # Azurite's, where it keeps everything in memory.
    "MemoryExtentStoreAtSizeLimit": (NoSpace, "the store is full"),
    "Crc64Mismatch": (Corrupt, "bytes were damaged on the way; publish again"),
}
BY_STATUS: Mapping[int, tuple[type[StoreError], str]] = {
    304: (Conflict, "it didn't change"),
    401: (Denied, "the store doesn't know these credentials"),
    403: (
        Denied,
        "the credentials don't allow this; check key or role, or whether the SAS token has expired",
    ),
    404: (NotFound, "it doesn't exist"),
    409: (Conflict, "it was changed by somebody else"),
    412: (Conflict, "it was changed by somebody else"),
    413: (NoSpace, "the store refuses so large an object"),
    416: (Corrupt, "the stored object is shorter than published"),
    429: (Unreachable, "the store asks to slow down; try again later"),
    507: (NoSpace, "the store is full"),
}
