"""Which scenarios run, and in what proportion: `single=6,batches=1`, or a file of such lines."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


class MixError(ValueError):
    """A mix can't be understood; the message says which part and why."""


def parse_mix(text: str, scenarios: Collection[str]) -> dict[str, float]:
    """Return weights by scenario; those that aren't named have none.

    `text` is `name=weight,…`, or the path of a file with one such entry a line (# begins a
    comment). Raises MixError.
    """
    if "=" in text:
        entries = [part.strip() for part in text.split(",")]
    else:
        try:
            lines = Path(text).read_text().splitlines()
        except OSError as error:
            raise MixError(
                f"{text!r} is neither a mix such as 'single=6,batches=1' nor a file that can be"
                f" read: {error.strerror}"
            ) from error
        entries = [line.partition("#")[0].strip() for line in lines]
    weights = dict(_parse(entry, scenarios) for entry in entries if entry)
    if not any(weights.values()):
        raise MixError(f"{text!r} gives no scenario a weight")
    return weights


def _parse(entry: str, scenarios: Collection[str]) -> tuple[str, float]:
    name, _, value = (part.strip() for part in entry.partition("="))
    if name not in scenarios:
        raise MixError(f"{entry!r}: no scenario {name!r}; there are {', '.join(sorted(scenarios))}")
    try:
        weight = float(value)
    except ValueError:
        weight = -1.0
    if not 0 <= weight < 1e6:
        raise MixError(f"{entry!r}: a weight is a number such as 1 or 0.5, and 0 leaves it out")
    return name, weight
