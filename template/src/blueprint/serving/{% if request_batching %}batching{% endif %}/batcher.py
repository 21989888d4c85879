"""Several requests, one prediction: requests that come while the cores are busy are gathered.

With a core free, nobody waits. Otherwise a request waits until a prediction ends, its batch is
full, or `seconds` have passed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ...model import ModelError
from ..http.holder import Served, cores
from ..http.requests import LARGE_BODY
from ..http.work import Answer, Inputs, Read, Work, Write, join
from ..settings import Serving


class InBatches(Work):
    """Reads and answers each request by itself, but predicts for several at once."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        self.batcher: Batcher | None = None
        if serving.batching and serving.batching.wait_ms:
            seconds = serving.batching.wait_ms / 1000
            self.batcher = Batcher(self.pool, serving.batching.max_rows, seconds)

    def at_once(self, served: Served, size: int) -> bool:
        return self.batcher is None and super().at_once(served, size)

    async def later(self, served: Served, read: Read, size: int, end: float) -> Answer:
        predict = self.batcher
        if predict is None:
            return await super().later(served, read, size, end)

        def gather() -> tuple[list[Inputs], Write]:
            slices, write = read()
            return list(self.bounded(slices, end)), write

        slices, write = gather() if size <= LARGE_BODY else await self.in_thread(gather)
        return write(join([await predict(served, rows) for rows in slices]))


@dataclass(eq=False)
class _Batch:
    """Requests to one version of the model."""

    served: Served
    requests: list[tuple[Inputs, asyncio.Future[np.ndarray]]] = field(default_factory=list)
    rows: int = 0
    timer: asyncio.TimerHandle | None = None

    def inputs(self) -> Inputs:
        """The rows of all requests, one after the other."""
        names = self.requests[0][0]
        return {
            name: np.concatenate([inputs[name] for inputs, _ in self.requests]) for name in names
        }


class Batcher:
    """Predicts for several requests at once, in `pool`; at most `max_rows` rows, if no request has
    more.

    `on_wait` and `on_start` may be set: they are told how many rows wait, and how many a batch has.
    """

    on_wait: Callable[[float], None] | None = None
    on_start: Callable[[float], None] | None = None

    def __init__(self, pool: ThreadPoolExecutor, max_rows: int, seconds: float) -> None:
        self._pool = pool
        self._max_rows = max_rows
        self._seconds = seconds
        self._open: _Batch | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, served: Served, inputs: Inputs) -> np.ndarray:
        """The predictions for one request: (n, *shape)."""
        loop = asyncio.get_running_loop()
        rows = len(next(iter(inputs.values())))
        batch = self._open
        if batch and (batch.served is not served or batch.rows + rows > self._max_rows):
            self._start(batch)
            batch = None
        if batch is None:
            batch = self._open = _Batch(served)
            wait = self._seconds if len(self._running) >= cores() else 0.0
            batch.timer = loop.call_later(wait, self._start, batch)
        future: asyncio.Future[np.ndarray] = loop.create_future()
        batch.requests.append((inputs, future))
        batch.rows += rows
        if self.on_wait:
            self.on_wait(batch.rows)
        if batch.rows >= self._max_rows:
            self._start(batch)
        return await future

    def _start(self, batch: _Batch) -> None:
        if batch.timer:
            batch.timer.cancel()
        if self._open is batch:
            self._open = None
            if self.on_wait:
                self.on_wait(0)
        if self.on_start:
            self.on_start(batch.rows)
        task = asyncio.create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        for _, future in batch.requests:  # however it ended, nobody waits any more
            _settle(future, ModelError("the prediction was given up"))
        self._running.discard(task)
        if self._open:
            self._start(self._open)

    async def _run(self, batch: _Batch) -> None:
        loop = asyncio.get_running_loop()
        predict = batch.served.model.predict
        try:
            predictions = await loop.run_in_executor(self._pool, predict, batch.inputs())
        except Exception as error:
            if len(batch.requests) == 1:
                _settle(batch.requests[0][1], error)
                return
            for inputs, future in batch.requests:  # one by one: only its own rows fail a request
                try:
                    _settle(future, await loop.run_in_executor(self._pool, predict, inputs))
                except Exception as own:
                    _settle(future, own)
            return
        at = 0
        for inputs, future in batch.requests:
            rows = len(next(iter(inputs.values())))
            _settle(future, predictions[at : at + rows])
            at += rows


def _settle(future: asyncio.Future[np.ndarray], result: np.ndarray | Exception) -> None:
    """Hand over a result, unless the request was given up."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
