"""Small things that examples are made of."""

from __future__ import annotations

# A PNG of one red pixel; images of any size are taken.
IMAGE_B64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

PREDICTIONS = [
    {"label": "red fox", "score": 0.9134, "wnid": "n02119789"},
    {"label": "tabby cat", "score": 0.0412, "wnid": "n02123045"},
]
