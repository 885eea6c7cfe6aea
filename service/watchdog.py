"""Notices that a process hangs: it is there, and answers nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.errors import ServiceError


async def until_silent(
    ask: Callable[[], Awaitable[object]], *, misses: int, pause_s: float
) -> None:
    """Ask again and again; return after so many questions in a row without an answer.

    `ask` raises a ServiceError where no answer comes. Questions are counted and not seconds, so
    that a machine that was put to sleep isn't taken for a process that hangs.
    """
    unanswered = 0
    while unanswered < misses:
        try:
            await ask()
        except ServiceError:
            unanswered += 1
        else:
            unanswered = 0
        await asyncio.sleep(pause_s)
