"""What a right answer looks like; each function returns what is wrong, or ''."""

from __future__ import annotations

from typing import Any

VERSION_HEADER = "Model-Version"


def wrong_prediction(body: Any, top: int) -> str:
    """Check an answer of `POST /predict`: `top` classes with their scores, best first."""
    if not isinstance(body, list) or len(body) != top:
        return f"expected a list of {top} predictions"
    if any(not isinstance(each, dict) or set(each) != {"label", "score", "wnid"} for each in body):
        return "a prediction has 'label', 'score' and 'wnid'"
    scores = [each["score"] for each in body]
    if any(not isinstance(score, int | float) or not 0 <= score <= 1 for score in scores):
        return "a score isn't a number from 0 to 1"
    return "" if scores == sorted(scores, reverse=True) else "the best class isn't first"


def wrong_rows(body: Any, images: int) -> str:
    """Check an answer of `:predict`: one row of probabilities per image, each adding up to 1."""
    rows = body.get("predictions") if isinstance(body, dict) else None
    if not isinstance(rows, list) or len(rows) != images:
        return f"expected {images} rows in 'predictions'"
    sums = [sum(row) for row in rows]
    return "" if all(abs(each - 1) < 0.02 for each in sums) else "probabilities don't add up to 1"
