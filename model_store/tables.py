"""What people read on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the rows under the head in columns; numbers stand to the right."""
    cells = [[plain(value) for value in row] for row in rows]
    numeric = [
        bool(cells) and all(_is_number(row[column]) for row in cells) for column in range(len(head))
    ]
    widths = [max(len(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    lines = []
    for row in [list(head), *cells]:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def plain(value: object) -> str:
    """Return the value on one line; what would steer the terminal is replaced.

    Anybody who can write to the shelf chooses what stands in a catalog or manifest.
    """
    text = "–" if value is None else str(value)
    return "".join(char if char.isprintable() else "�" for char in text)


def size(count: float) -> str:
    """Return bytes in decimal units, three digits at least: 97.8 MB."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def minute(rfc3339: str) -> str:
    """Return the time without its seconds."""
    return rfc3339[:16].replace("T", " ")


def shape(dimensions: Iterable[int | None]) -> str:
    """Return a tensor's shape, N for what requests choose."""
    return "[" + ", ".join("N" if each is None else str(each) for each in dimensions) + "]"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("–", "").lstrip("+-").isdigit() or text == "–"
