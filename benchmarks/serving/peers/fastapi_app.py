"""FastAPI with a batcher written by hand: takes whatever is queued, one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from shared_model import MAX_BATCH, Model, answer, read

Job = tuple[Any, "asyncio.Future[Any]"]

queue: asyncio.Queue[Job] = asyncio.Queue()


async def run_batches(model: Model) -> None:
    """Run what has queued up, again and again."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1)
    while True:
        jobs = [await queue.get()]
        images = len(jobs[0][0])
        while not queue.empty() and images < MAX_BATCH:
            jobs.append(queue.get_nowait())
            images += len(jobs[-1][0])
        rows = await loop.run_in_executor(thread, model.run, [each[0] for each in jobs])
        for (_, reply), own in zip(jobs, rows, strict=True):
            if not reply.cancelled():
                reply.set_result(own)


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request."""
    del app
    task = asyncio.create_task(run_batches(Model()))
    yield
    task.cancel()


app = FastAPI(lifespan=life)


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Answer one request."""
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    queue.put_nowait((read(await request.body()), reply))
    return Response(orjson.dumps(answer(await reply)), media_type="application/json")
