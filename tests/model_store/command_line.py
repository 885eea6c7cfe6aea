"""Runs `python -m model_store` within the tests' process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model_store.__main__ import main
from model_store.console import Console


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


Run = Callable[..., Answer]


def runner(url: str) -> Run:
    """Return what runs one command on that store; `answers` is what a person types."""

    def run(*arguments: object, answers: str | None = None, store: str = url) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        console = Console(out, err, io.StringIO() if answers is None else Terminal(answers))
        code = main(
            [str(each) for each in arguments],
            environment={"HOTSHELF_STORE": store},
            console=console,
        )
        return Answer(code, out.getvalue(), err.getvalue())

    return run
