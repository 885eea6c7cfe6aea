"""Draw one image of a generated class: a coloured shape with a pattern, somewhere on grey."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import SIDE

Grid = NDArray[np.float32]
Box = tuple[int, int, int, int]

_OVERSAMPLING = 2
_CANVAS = SIDE * _OVERSAMPLING

# Saturated, so that they stand out from grey backgrounds, and far enough from each other that a
# jittered one still looks like its name.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 20, 30),
    "orange": (255, 135, 0),
    "yellow": (255, 225, 30),
    "green": (10, 120, 40),
    "turquoise": (30, 215, 200),
    "blue": (25, 60, 220),
    "purple": (125, 30, 170),
    "pink": (255, 120, 190),
    "brown": (110, 60, 20),
    "lime": (170, 235, 40),
}


def _disc(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return u * u + v * v < 1.0


def _frame(u: Grid, v: Grid) -> NDArray[np.bool_]:
    from_centre = np.maximum(np.abs(u), np.abs(v))
    return (from_centre > 0.45) & (from_centre < 0.95)


def _triangle(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return (v < 0.85) & (1.7 * np.abs(u) < v + 1.15)


def _cross(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return (np.minimum(np.abs(u), np.abs(v)) < 0.24) & (np.maximum(np.abs(u), np.abs(v)) < 1.05)


def _plain(u: Grid, v: Grid) -> NDArray[np.bool_]:  # noqa: ARG001 one signature for all patterns
    return np.zeros(u.shape, np.bool_)


def _striped(u: Grid, v: Grid) -> NDArray[np.bool_]:  # noqa: ARG001
    return np.sin(u * 11.0) > 0.25


def _dotted(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return np.sin(u * 8.5) * np.sin(v * 8.5) > 0.45


def _checked(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return np.sin(u * 6.5) * np.sin(v * 6.5) > 0.0


def _ringed(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return np.sin(np.sqrt(u * u + v * v) * 13.0) > 0.2


Region = Callable[[Grid, Grid], NDArray[np.bool_]]
SHAPES: dict[str, Region] = {
    "disc": _disc,
    "frame": _frame,
    "triangle": _triangle,
    "cross": _cross,
}
PATTERNS: dict[str, Region] = {
    "plain": _plain,
    "striped": _striped,
    "dotted": _dotted,
    "checked": _checked,
    "ringed": _ringed,
}

# Dark and light marks halve the patterns for a network that sees colours long before textures, and
# the areas that shapes cover do the same for shapes: a minute of training is enough to learn them.
MARKS: dict[str, tuple[int, int, int]] = {
    "plain": (0, 0, 0),
    "striped": (25, 25, 25),
    "dotted": (240, 240, 240),
    "checked": (240, 240, 240),
    "ringed": (25, 25, 25),
}


class Kind(msgspec.Struct, frozen=True):
    """What tells one class from the others."""

    colour: str
    pattern: str
    shape: str

    @property
    def label(self) -> str:
        """Return the class's readable name, such as `red striped triangle`."""
        return f"{self.colour} {self.pattern} {self.shape}"


def all_kinds() -> tuple[Kind, ...]:
    """Return the 200 kinds, in a fixed order."""
    return tuple(Kind(*parts) for parts in itertools.product(COLOURS, PATTERNS, SHAPES))


def draw(kind: Kind, generator: np.random.Generator) -> tuple[NDArray[np.uint8], Box]:
    """Return an image uint8 [64, 64, 3] of the kind, and the box (x0, y0, x1, y1) around it.

    Place, size, rotation, colours, background and noise are drawn from the generator.
    """
    u, v = _object_grid(generator)
    inside = SHAPES[kind.shape](u, v)
    marked = inside & PATTERNS[kind.pattern](u, v)
    canvas = _background(generator)
    canvas[inside] = _jittered(COLOURS[kind.colour], generator, 16.0)
    canvas[marked] = _jittered(MARKS[kind.pattern], generator, 14.0)
    blocks = canvas.reshape(SIDE, _OVERSAMPLING, SIDE, _OVERSAMPLING, 3)
    noise = generator.normal(0.0, 6.0, (SIDE, SIDE, 3)).astype(np.float32)
    pixels = blocks.mean(axis=(1, 3)) + noise
    return pixels.round().clip(0, 255).astype(np.uint8), _box(inside)


def _object_grid(generator: np.random.Generator) -> tuple[Grid, Grid]:
    """Return the canvas in the object's own coordinates: centred, turned, radius about one."""
    radius = generator.uniform(0.35, 0.43) * _CANVAS
    centre = _CANVAS / 2 + generator.uniform(-0.07, 0.07, 2) * _CANVAS
    turn = generator.uniform(-0.25, 0.25)
    axis = np.arange(_CANVAS, dtype=np.float32)
    x = ((axis - centre[0]) / radius)[None, :]
    y = ((axis - centre[1]) / radius)[:, None]
    u = np.cos(turn) * x + np.sin(turn) * y
    v = np.cos(turn) * y - np.sin(turn) * x
    return u.astype(np.float32), v.astype(np.float32)


def _background(generator: np.random.Generator) -> Grid:
    """Return float32 [128, 128, 3]: a gradient between two greys in a random direction."""
    dark, light = generator.uniform(70.0, 190.0, 2)
    direction = generator.uniform(0.0, 2 * np.pi)
    axis = np.linspace(-0.5, 0.5, _CANVAS, dtype=np.float32)
    ramp = np.cos(direction) * axis[None, :] + np.sin(direction) * axis[:, None] + 0.5
    tint = generator.normal(0.0, 6.0, 3)
    grey = dark + (light - dark) * ramp
    return (grey[..., None] + tint).astype(np.float32)


def _jittered(colour: tuple[int, int, int], generator: np.random.Generator, amount: float) -> Grid:
    return (np.array(colour) + generator.uniform(-amount, amount, 3)).astype(np.float32)


def _box(inside: NDArray[np.bool_]) -> Box:
    rows = np.flatnonzero(inside.any(axis=1)) // _OVERSAMPLING
    columns = np.flatnonzero(inside.any(axis=0)) // _OVERSAMPLING
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
