"""The code blocks of a Markdown page, and running them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON, SHELL, JAVASCRIPT, TEXT = "python", "sh", "js", "text"

_FENCE = re.compile(r"```(\S*)\s*")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is where its text begins, `not_run` why it isn't run, if so."""

    line: int
    language: str
    text: str
    not_run: str | None = None


def blocks_of(page: str) -> list[Block]:
    """Return the page's fenced blocks in order.

    `<!-- not run: reason -->` on the line before a block keeps it from being run.
    """
    blocks: list[Block] = []
    lines = page.splitlines()
    position = 0
    while position < len(lines):
        fence = _FENCE.fullmatch(lines[position])
        position += 1
        if not fence:
            continue
        end = lines.index("```", position)
        marker = _NOT_RUN.fullmatch(lines[position - 2]) if position > 1 else None
        text = "\n".join(lines[position:end]) + "\n"
        blocks.append(Block(position + 1, fence[1], text, marker[1] if marker else None))
        position = end + 1
    return blocks


def without_a_say(blocks: Iterable[Block]) -> list[int]:
    """Return the lines of blocks that are neither code to run nor text nor marked."""
    return [
        block.line
        for block in blocks
        if block.language not in {PYTHON, SHELL, JAVASCRIPT, TEXT} and block.not_run is None
    ]


def run_page(
    page: Path, language: str, folder: Path, *, python: Path = Path(sys.executable), **names: str
) -> subprocess.CompletedProcess[str]:
    """Run the page's blocks of one language in `folder`, one after the other, as one session.

    `python` is the interpreter, `names` are further variables of the environment.
    """
    blocks = [
        block
        for block in blocks_of(page.read_text())
        if block.language == language and block.not_run is None
    ]
    commands: dict[str, tuple[list[str | Path], str]] = {
        SHELL: (["bash", "-e", "-o", "pipefail", "-c"], _shell(blocks)),
        PYTHON: ([python, "-c"], _python(page, blocks)),
        JAVASCRIPT: (["node", "--input-type=module", "-e"], _on_their_lines(blocks)),
    }
    command, program = commands[language]
    return subprocess.run(
        [*command, program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | names,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _shell(blocks: Iterable[Block]) -> str:
    return "".join(f"echo '# line {block.line}' >&2\n{block.text}" for block in blocks)


def _python(page: Path, blocks: Iterable[Block]) -> str:
    """Return a program whose tracebacks name the page and its lines."""
    sources = ["\n" * (block.line - 1) + block.text for block in blocks]
    return (
        "names = {'__name__': '__main__'}\n"
        f"for source in {sources!r}:\n"
        f"    exec(compile(source, {str(page)!r}, 'exec'), names)\n"
    )


def _on_their_lines(blocks: Iterable[Block]) -> str:
    """Return one program in which each block stands where it does in the page."""
    program = ""
    for block in blocks:
        program += "\n" * (block.line - 1 - program.count("\n")) + block.text
    return program
