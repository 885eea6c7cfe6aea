"""Which parameter server holds which variable: each about the same number of bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from training.backend import tf

_SERVER = re.compile(r"/job:ps/replica:0/task:(\d+)")


class Placement:
    """Gives every new variable to the server that holds least; the lowest number of equals."""

    def __init__(self, servers: int) -> None:
        self.bytes_held = [0] * servers
        self._places: dict[str, int] = {}

    def place(self, name: str, size: int) -> int:
        """Return the server of a variable of `size` bytes.

        A second variable of a name goes beside the first: a weight and its moving average meet
        without crossing the network.
        """
        if name not in self._places:
            self._places[name] = self.bytes_held.index(min(self.bytes_held))
        place = self._places[name]
        self.bytes_held[place] += size
        return place

    def beside(self, place: int, size: int) -> None:
        """Count a variable that was put beside another one."""
        self.bytes_held[place] += size


def server_in(text: str) -> int | None:
    """Return the server that a device's name or an error is about."""
    found = _SERVER.search(text)
    return int(found[1]) if found else None


def spread(placement: Placement) -> Callable[..., Any]:
    """Return a variable creator that puts variables where the placement says.

    To be entered before the strategy's scope: it is then called last, and has the last word.
    """

    def create(next_creator: Callable[..., Any], **arguments: Any) -> Any:
        with tf.device("/job:chief/replica:0/task:0/device:CPU:0"):
            value = arguments["initial_value"]
            value = tf.convert_to_tensor(value() if callable(value) else value)
        arguments["initial_value"] = value
        size = value.dtype.size * value.shape.num_elements()
        beside = arguments.get("colocate_with")
        if beside is not None:
            placement.beside(server_in(beside.device) or 0, size)
            return next_creator(**arguments)
        name = f"{tf.get_current_name_scope()}/{arguments.get('name')}"
        with tf.device(f"/job:ps/replica:0/task:{placement.place(name, size)}/device:CPU:0"):
            return next_creator(**arguments)

    return create
