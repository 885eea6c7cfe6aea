"""Checkpoints: plain files with a digest, written beside and renamed.

- `checkpoints/step-00000400/state.npz`: weights, optimizer, average: one array a variable
- `checkpoints/step-00000400/meta.json`: the position in the run, and the SHA-256 of state.npz
- `checkpoints/step-00000400.replaced/`: what a step had before it was saved again; it counts where
  a kill between two renames left nothing else of the step

Knows arrays and positions, nothing of TensorFlow.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.errors import CheckpointError
from training.position import Position

FORMAT = 1
KEEP = 2

_STATE = "state.npz"
_META = "meta.json"
_FOLDER = re.compile(r"step-(\d{8,})(\.replaced)?")
_REPLACED = ".replaced"

Arrays = Mapping[str, NDArray[np.generic]]


class Meta(msgspec.Struct, frozen=True):
    """What `meta.json` says; `top1` only where this very step was evaluated.

    `sha256` is of the arrays' file, `seal` of all the rest; older checkpoints have none.
    """

    format: int
    position: Position
    sha256: str
    top1: float | None
    seal: str | None = None

    def sealed(self) -> Meta:
        """Return it with the seal that its content has."""
        content = msgspec.json.encode((self.format, self.position, self.sha256, self.top1))
        return msgspec.structs.replace(self, seal=hashlib.sha256(content).hexdigest())


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint that was read whole and is right."""

    position: Position
    arrays: dict[str, NDArray[np.generic]]


class Checkpoints:
    """The checkpoints of one run; keeps the newest few and the best."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        self._folder = folder
        self._keep = keep
        self._damaged: set[int] = set()

    def steps(self) -> list[int]:
        """Return the steps there are checkpoints of, oldest first; nothing is read."""
        if not self._folder.is_dir():
            return []
        matches = (_FOLDER.fullmatch(item.name) for item in self._folder.iterdir())
        return sorted({int(match[1]) for match in matches if match})

    def save(self, position: Position, arrays: Arrays, *, top1: float | None) -> None:
        """Write a checkpoint of `position`; afterwards remove those no longer kept.

        A kill at any moment costs nothing that was there, of the same step either. Raises
        CheckpointError when it can't be written, on a full disk for example; those that were there
        stay, and nothing is left of it.
        """
        target = self._target(position.step)
        partial = target.with_name(f"{target.name}.partial")
        replaced = _aside(target)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            _write(partial, position, arrays, top1)
            if target.exists():
                shutil.rmtree(replaced, ignore_errors=True)
                target.rename(replaced)
            partial.rename(target)
            _folder_to_disk(self._folder)
        # When a disk is full, zipfile can't close its archive either, which is a ValueError then.
        except (OSError, ValueError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise self._not_written(target, error) from None
        self._damaged.discard(position.step)
        self._prune(position.step)

    def _not_written(self, target: Path, error: OSError | ValueError) -> CheckpointError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        steps = self.steps()
        kept = f"the one of step {steps[-1]} is kept" if steps else "there is none before it"
        return CheckpointError(
            f"{target}: this checkpoint can't be written: {reason or error}; {kept}; make room and "
            "start the same --run again"
        )

    def load(self, step: int) -> Checkpoint:
        """Read the checkpoint of `step`. Raises CheckpointError when it is missing or damaged."""
        path = self._path(step)
        meta = self._meta(step)
        try:
            with (path / _STATE).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != meta.sha256:
                    raise CheckpointError(f"{path / _STATE} isn't what was written (SHA-256)")
            with np.load(path / _STATE, allow_pickle=False) as archive:
                return Checkpoint(meta.position, {name: archive[name] for name in archive.files})
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{path / _STATE}: {error}") from None

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest checkpoint that can be read, and why newer ones can't.

        The checkpoint is None when there are none at all. Raises CheckpointError when there are
        some and none can be read: starting over silently would throw work away.
        """
        problems: list[str] = []
        for step in reversed(self.steps()):
            try:
                return self.load(step), problems
            except CheckpointError as error:
                problems.append(str(error))
                self._damaged.add(step)
        if problems:
            raise CheckpointError(
                f"no checkpoint in {self._folder} can be read ({problems[0]}); "
                "delete the run folder to start over"
            )
        return None, []

    def best_step(self) -> int | None:
        """Return the step with the highest validation accuracy; the newer one of equals."""
        return best_of(self._scores())

    def _scores(self) -> dict[int, float | None]:
        """Return those of the checkpoints that say what they are."""
        scores: dict[int, float | None] = {}
        for step in self.steps():
            with suppress(CheckpointError):
                scores[step] = self._meta(step).top1
        return scores

    def _prune(self, saved: int) -> None:
        """Remove what isn't kept, never the one just saved, and tidy up after kills.

        A damaged one counts as none. It goes once there is a newer one; until then it stays for
        people to look at.
        """
        scores = self._scores()
        for step in self._damaged & scores.keys():
            del scores[step]
        damaged = {step for step in self.steps() if step < saved} - scores.keys()
        gone = {*superfluous(scores, self._keep), *damaged} - {saved}
        for step in self.steps():
            target = self._target(step)
            if not target.exists():
                with suppress(OSError):
                    _aside(target).rename(target)
            else:
                shutil.rmtree(_aside(target), ignore_errors=True)
            if step in gone:
                shutil.rmtree(target, ignore_errors=True)

    def _meta(self, step: int) -> Meta:
        path = self._path(step) / _META
        try:
            meta = msgspec.json.decode(path.read_bytes(), type=Meta)
        except (OSError, msgspec.MsgspecError) as error:
            raise CheckpointError(f"{path}: {error}") from None
        if meta.format != FORMAT:
            raise CheckpointError(f"{path}: format {meta.format}, this version reads {FORMAT}")
        if meta.position.step != step or meta.seal not in {None, meta.sealed().seal}:
            raise CheckpointError(f"{path} isn't what was written")
        return meta

    def _path(self, step: int) -> Path:
        """Return where the step is to be read."""
        target = self._target(step)
        aside = _aside(target)
        return aside if aside.exists() and not target.exists() else target

    def _target(self, step: int) -> Path:
        return self._folder / f"step-{step:08}"


def _aside(target: Path) -> Path:
    """Return where a step's checkpoint lies while another one takes its place."""
    return target.with_name(f"{target.name}{_REPLACED}")


def best_of(scores: Mapping[int, float | None]) -> int | None:
    """Return the step with the highest score, the latest of equals; None without any score."""
    scored = [(score, step) for step, score in scores.items() if score is not None]
    return max(scored)[1] if scored else None


def superfluous(scores: Mapping[int, float | None], keep: int = KEEP) -> Iterable[int]:
    """Return the steps that are neither among the newest `keep` nor the best."""
    kept = {*sorted(scores)[-keep:], best_of(scores)}
    return sorted(set(scores) - kept)


def _write(folder: Path, position: Position, arrays: Arrays, top1: float | None) -> None:
    """Write both files to the disk, not only to its cache."""
    with (folder / _STATE).open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
        file.flush()
        os.fsync(file.fileno())
    with (folder / _STATE).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    meta = Meta(format=FORMAT, position=position, sha256=sha256, top1=top1).sealed()
    with (folder / _META).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(meta)))
        file.flush()
        os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
