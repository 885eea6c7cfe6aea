"""Everything that training tells the user in one line, and the exit code that goes with it.

TrainingError
├── UsageError        2   a setting that isn't allowed, an unknown preset
│   └── WeightsError      what --init-from names is missing, damaged or of another network
├── DataError         3   data that is missing, damaged or contradicts itself
│   └── DownloadError 3   a download that didn't arrive, or arrived changed
├── RunFolderError    4   a run folder of another run, in use, or without what is asked for
│   └── CheckpointError   a checkpoint that can't be used; the one before it may be
├── Diverged          5   the loss is no longer a number
├── ExportError       6   an export or conversion that failed or doesn't compute what it should
├── ShelfError        7   the store can't be read
│   └── PublishError      the store can't be reached or written; the export is kept
├── ProcessLost       8   a process of a distributed run died; the run goes on from a checkpoint
└── Interrupted  130, 143 SIGINT or SIGTERM; a checkpoint was written before leaving
"""

from __future__ import annotations

import signal


class TrainingError(Exception):
    """The message is one line for the user; `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(TrainingError):
    """What was asked for can't be done as asked."""

    exit_code = 2


class WeightsError(UsageError):
    """Initial weights are missing, damaged or don't fit; the message names where they are from."""


class DataError(TrainingError):
    """The data set is missing, damaged or contradicts itself; the message names the file."""

    exit_code = 3


class DownloadError(DataError):
    """The download didn't arrive, or its checksum isn't the published one."""


class RunFolderError(TrainingError):
    """The run folder can't be used for what was asked."""

    exit_code = 4


class CheckpointError(RunFolderError):
    """A checkpoint is damaged or belongs to another model."""


class Diverged(TrainingError):
    """The loss is no longer a finite number."""

    exit_code = 5


class ExportError(TrainingError):
    """The export or conversion failed, or its variants disagree."""

    exit_code = 6


class ShelfError(TrainingError):
    """A store couldn't be reached, or hasn't got what was asked for."""

    exit_code = 7


class PublishError(ShelfError):
    """The store refused or couldn't be reached; the export stays in the run folder."""


class ProcessLost(TrainingError):
    """A process that a distributed run can't do without died; started again, the run goes on."""

    exit_code = 8


class Interrupted(TrainingError):
    """A signal asked for an end; the run continues from its checkpoint when started again."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal.Signals(signal_number)
