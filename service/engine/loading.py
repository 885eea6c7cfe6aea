"""From a version's number to a session that may be served."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from service.engine.session import FILES, OnnxSession, warm_up
from service.engine.source import StoreSource


def load_version(source: StoreSource, version: int, *, threads: int, max_batch: int) -> OnnxSession:
    """Fetch, verify, load, check and warm up a version; closing it gives its folder back.

    Raises StoreError if it can't be had and BadModel if it can't be served; nothing is held then.
    """
    folder = source.fetch(version, FILES)
    with ExitStack() as undo:
        undo.callback(source.release, folder)
        session = OnnxSession.load(folder, threads=threads, closed=partial(source.release, folder))
        warm_up(session, max_batch)
        undo.pop_all()
    return session
