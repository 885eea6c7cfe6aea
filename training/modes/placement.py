"""Which parameter server holds which variable: each about the same number of bytes."""

from __future__ import annotations


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
