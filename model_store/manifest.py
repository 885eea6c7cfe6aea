"""What one version consists of and where it comes from."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from model_store.errors import Corrupt, InvalidName, NotFound
from model_store.json_errors import JSON_ERRORS
from model_store.names import check_distinct, check_file, show

FORMAT = 1
SELF_TEST_FORMAT = 2


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its path in the version, its size in bytes and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor; None in the shape is a dimension that requests choose."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes into the model and what comes out."""

    name: str = "serving_default"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a version comes from; times are RFC 3339 in UTC, hyperparameters any JSON."""

    code_version: str
    data_digest: str
    mode: str
    world_size: int
    hyperparameters: dict[str, Any]
    parent_version: int | None = None
    started_at: str
    finished_at: str
    host: str


class KnownAnswers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one variant answered when it was published.

    `probabilities` are the bytes of float32 [N, classes], little-endian, in JSON as base64;
    `tolerance` is by how much other hardware's answers may differ.
    """

    probabilities: bytes
    tolerance: float


class SelfTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Images, and what each variant answers to them: how a service knows that it computes the same.

    `images` are the bytes of uint8 [N, *], N of what the signature's input takes, in JSON as
    base64; `answers` are keyed by the variant's file.
    """

    images: bytes
    answers: dict[str, KnownAnswers]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published version; `metrics` is keyed by the variant's file, such as "model.onnx".

    Written in format 1 where there is no self-test, so that everything that ever read manifests
    reads it.
    """

    format: int = FORMAT
    model: str
    version: int
    published_at: str
    published_by: str
    files: tuple[FileEntry, ...]
    signature: Signature
    metrics: dict[str, dict[str, float]]
    lineage: Lineage
    self_test: SelfTest | msgspec.UnsetType = msgspec.UNSET

    @property
    def size_bytes(self) -> int:
        """The size of all files together, without the manifest."""
        return sum(entry.size for entry in self.files)

    def find(self, name: str) -> FileEntry:
        """Return the file's entry; raise NotFound, listing what exists."""
        for entry in self.files:
            if entry.name == name:
                return entry
        has = ", ".join(entry.name for entry in self.files)
        raise NotFound(f"{self.model} {self.version} has no file {show(name)}; it has {has}")


class _Stamp(msgspec.Struct, frozen=True):
    format: int


_encoder = msgspec.json.Encoder()
_decode_stamp = msgspec.json.Decoder(_Stamp).decode
_decode = msgspec.json.Decoder(Manifest).decode


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON."""
    return msgspec.json.format(_encoder.encode(manifest), indent=1) + b"\n"


def decode_manifest(data: bytes, *, sha256: str, where: str) -> Manifest:
    """Return the manifest whose bytes have that SHA-256; raise Corrupt for any other bytes.

    File names are checked again: they become paths on this machine, whoever wrote them.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"{where} isn't what was published (SHA-256 differs); publish it again")
    try:
        stamp = _decode_stamp(data)
        if not FORMAT <= stamp.format <= SELF_TEST_FORMAT:
            raise Corrupt(
                f"{where} is written in format {stamp.format} and this Hotshelf reads {FORMAT} to"
                f" {SELF_TEST_FORMAT}; install the version of Hotshelf that wrote it"
            )
        manifest = _decode(data)
        for entry in manifest.files:
            check_file(entry.name)
        check_distinct(entry.name for entry in manifest.files)
    except (InvalidName, *JSON_ERRORS) as error:
        raise Corrupt(f"{where} isn't a manifest that this Hotshelf reads: {error}") from error
    return manifest
