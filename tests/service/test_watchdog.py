from __future__ import annotations

import asyncio
from collections.abc import Iterable

from service.errors import EngineUnavailable
from service.watchdog import until_silent


def questions_until_silent(answers: Iterable[bool], *, misses: int) -> int:
    """How many questions are asked of a process that answers these and then nothing more."""
    asked = 0
    left = iter(answers)

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if not next(left, False):
            raise EngineUnavailable("no answer")

    async def watch() -> None:
        async with asyncio.timeout(10):
            await until_silent(ask, misses=misses, pause_s=0)

    asyncio.run(watch())
    return asked


def test_a_process_is_silent_after_so_many_questions_without_an_answer() -> None:
    assert questions_until_silent([], misses=3) == 3
    assert questions_until_silent([True, True], misses=3) == 5


def test_an_answer_in_between_makes_up_for_all_that_were_missing() -> None:
    assert questions_until_silent([False, False, True], misses=3) == 6
