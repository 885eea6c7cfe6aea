"""Several pieces on their way at once, handed over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from model_store.backends.base import Sink


def in_order(
    fetch: Callable[[int], bytes], starts: Iterable[int], sink: Sink, *, at_once: int
) -> None:
    """Hand `fetch(start)` to the sink for each start, in order, fetching ahead meanwhile.

    At most `at_once` pieces are in memory. The first error ends it: what comes after is dropped.
    """
    waiting = iter(starts)
    with ThreadPoolExecutor(at_once, thread_name_prefix="range") as pool:
        pending: deque[Future[bytes]] = deque(
            pool.submit(fetch, start) for start in islice(waiting, at_once)
        )
        try:
            while pending:
                sink(pending.popleft().result())
                pending.extend(pool.submit(fetch, start) for start in islice(waiting, 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
