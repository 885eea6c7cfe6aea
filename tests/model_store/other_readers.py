"""How TensorFlow Serving and Triton look at a folder, written after their documentation and source.

Neither is installed here. Each rule names where it comes from, so that it can be checked again.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_INT64 = range(-(1 << 63), 1 << 63)
_TRITON_SKIPS = frozenset({"warmup", "initial_state", "configs"})


class PollFailed(Exception):
    """The reader logs an error, keeps what it has and looks again at its next poll."""


def tensorflow_serving_versions(base_path: Path) -> dict[int, str]:
    """Return what TensorFlow Serving takes for versions, with the name of each.

    "It identifies base-path children whose name is a number": tensorflow.org/tfx/serving/api_docs,
    FileSystemStoragePathSource. Names only: it doesn't look whether a child is a folder, nor into
    it, and a version is wanted from the poll on that sees its name
    (sources/storage_path/file_system_storage_path_source.cc, IndexChildrenByVersion). The name is
    parsed by safe_strto64, which takes blanks around it, a minus sign and leading zeros; of two
    names with one number, the later in order wins.
    """
    versions = {}
    for name in sorted(os.listdir(base_path)):  # noqa: PTH208 - names, as GetChildren gives them
        number = re.fullmatch(r"\s*(-?[0-9]+)\s*", name, re.ASCII)
        if number and int(number[1]) in _INT64:
            versions[int(number[1])] = name
    return versions


def triton_models(repository: Path) -> list[str]:
    """Return what Triton takes for models: every folder, whatever its name; files don't count.

    "Within the top-level model repository directory there must be zero or more <model-name>
    sub-directories": docs/user_guide/model_repository.md; ModelRepositoryManager::Poll.
    """
    return _subfolders(repository)


def triton_versions(model: Path) -> set[int]:
    """Return what Triton takes for versions of a model.

    "The subdirectories that are not numerically named, or have names that start with the
    character "0" will be ignored": model_repository.md, Model Versions. The parser is std::stoll,
    which takes `7-old` for 7, blanks before it and a sign (src/model_repository_manager/
    model_lifecycle.cc, VersionsToLoad).
    """
    versions = set()
    for name in _subfolders(model):
        if name in _TRITON_SKIPS or (len(name) > 1 and name.startswith("0")):
            continue
        number = re.match(r"\s*([+-]?[0-9]+)", name, re.ASCII)
        if number:
            versions.add(int(number[1]))
    return versions


def triton_finds_onnx(model: Path) -> bool:
    """Tell whether Triton knows, without a config.pbtxt, that this is a model for ONNX Runtime.

    It is one if model.onnx lies in the first subfolder in the order of bytes, whatever that is
    called: src/model_config_utils.cc, AutoCompleteBackendFields; model_configuration.md,
    Auto-Generated Model Configuration.
    """
    names = _subfolders(model)
    try:
        return bool(names) and "model.onnx" in os.listdir(model / names[0])  # noqa: PTH208
    except FileNotFoundError as error:
        raise PollFailed(str(error)) from error


def _subfolders(folder: Path) -> list[str]:
    """Return the names of subfolders in the order of bytes; hidden ones count too.

    An entry that vanishes between the listing and the look at it fails the poll:
    GetDirectorySubdirs in src/filesystem/.
    """
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)  # noqa: PTH208
        return [name for name in names if stat.S_ISDIR((folder / name).stat().st_mode)]
    except FileNotFoundError as error:
        raise PollFailed(str(error)) from error
