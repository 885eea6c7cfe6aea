"""Shares requests out among versions by weight."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Split:
    """Deals requests to versions in proportion to their weights, evenly at every moment.

    Smooth weighted round-robin, as in nginx: of 10 requests with the weights 9 and 1, exactly one
    goes to the second version. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._weights: dict[int, int] = {}
        self._credit: dict[int, int] = {}

    def share_out(self, weights: Mapping[int, int]) -> None:
        """Use these weights from now on; the same ones again change nothing."""
        if weights != self._weights:
            self._weights = dict(weights)
            self._credit = dict.fromkeys(weights, 0)

    def next(self, available: Collection[int]) -> int | None:
        """Return the version for the next request, None where no weighted one is available.

        A version that isn't available leaves its share to the others.
        """
        shares = {each: weight for each, weight in self._weights.items() if each in available}
        if not shares:
            return None
        for version, weight in shares.items():
            self._credit[version] += weight
        chosen = max(shares, key=lambda each: (self._credit[each], each))
        self._credit[chosen] -= sum(shares.values())
        return chosen
