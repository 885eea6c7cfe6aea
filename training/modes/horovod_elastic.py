"""A rank of an elastic run: goes on with whoever is there, from what the ranks remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import horovod.tensorflow as hvd
from horovod.common.elastic import notification_manager

from training.memory import HostsChanged
from training.modes.horovod import HorovodMode, lost_peer
from training.run.checkpoints import Checkpoint

_T = TypeVar("_T")


class HorovodMemory:
    """See `training.memory.Memory`; Horovod tells it when hosts come or go."""

    def __init__(self) -> None:
        self.hosts_changed = False
        self._newest: Checkpoint | None = None

    def remember(self, checkpoint: Checkpoint) -> None:
        """Keep this instead of what was kept before."""
        self._newest = checkpoint

    def recall(self) -> Checkpoint | None:
        """Return on all ranks the newest that any of them keeps; None when none keeps any."""
        mine = -1 if self._newest is None else self._newest.position.step
        steps = hvd.allgather_object(mine, name="remembered_steps")
        newest = max(steps)
        if newest < 0:
            return None
        holder = steps.index(newest)
        kept: Checkpoint = hvd.broadcast_object(self._newest, root_rank=holder, name="remembered")
        return kept

    def on_hosts_updated(self, timestamp: float, result: Any) -> None:  # noqa: ARG002
        """Wish to stop, so that the ranks can meet anew."""
        self.hosts_changed = True


def run_elastic(join: Callable[[HorovodMemory], HorovodMode], work: Callable[[Any], _T]) -> _T:
    """Return what `work` returns for a mode; joined and begun anew as often as ranks change.

    `join` waits for the other ranks, as many as there are then.
    """
    memory = HorovodMemory()
    mode = join(memory)
    notification_manager.init()
    notification_manager.register_listener(memory)
    while True:
        try:
            return work(mode)
        except HostsChanged:
            pass
        except Exception as error:
            if not lost_peer(error):
                raise
        hvd.shutdown()
        memory.hosts_changed = False
        mode = join(memory)
