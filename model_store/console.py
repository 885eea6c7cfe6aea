"""The terminal, or whatever stands in for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import msgspec
from tqdm import tqdm

from model_store.progress import Progress


class Console:
    """Answers go to `out`; progress, questions and errors to `err`."""

    def __init__(self, out: TextIO, err: TextIO, answers: TextIO) -> None:
        self._out = out
        self._err = err
        self._answers = answers

    @classmethod
    def of_process(cls) -> Console:
        """Return the console of this process."""
        return cls(sys.stdout, sys.stderr, sys.stdin)

    def say(self, text: str, *, error: bool = False) -> None:
        """Print a line at once, so that a program at the other end of a pipe sees it."""
        print(text, file=self._err if error else self._out, flush=True)

    def json(self, value: Any, *, indent: bool = True) -> None:
        """Print the value as JSON."""
        data = msgspec.json.encode(value)
        self.say((msgspec.json.format(data, indent=2) if indent else data).decode())

    def confirm(self, question: str) -> bool:
        """Ask a person; without one the answer is no, and says how to do without."""
        if not self._answers.isatty():
            self.say(f"{question} Nobody is here to ask: add --yes", error=True)
            return False
        self._err.write(f"{question} [y/N] ")
        self._err.flush()
        return self._answers.readline().strip().lower() in {"y", "yes"}

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Lend a progress bar; it shows itself to people only."""
        bars: dict[str, Any] = {}

        def show(stage: str, done_bytes: int, total_bytes: int, /) -> None:
            if stage not in bars:
                bars[stage] = tqdm(
                    desc=stage,
                    total=total_bytes,
                    unit="B",
                    unit_scale=True,
                    file=self._err,
                    disable=not self._err.isatty(),
                )
            bars[stage].update(done_bytes - bars[stage].n)

        try:
            yield show
        finally:
            for bar in bars.values():
                bar.close()
