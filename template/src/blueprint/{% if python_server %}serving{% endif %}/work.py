"""Where predictions run: at once, in a thread, or with others in a batch; and how many may wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from starlette.exceptions import HTTPException

from .batching import Batcher
from .holder import SLOW_SECONDS, Served, cores
from .http import LARGE_BODY
from .settings import Serving
from .v1 import SLICE_ROWS
from .values import RequestError

Inputs = Mapping[str, np.ndarray]
Slices = Iterable[Inputs]  # of the rows of a request
Answer = tuple[bytes, dict[str, str]]  # the body and its headers
Write = Callable[[np.ndarray], Answer]
Read = Callable[[], tuple[Slices, Write]]
Predict = Callable[[Served, Inputs], Awaitable[np.ndarray]]
T = TypeVar("T")


class Work:
    """Reads a request, predicts and writes the answer, within the limits of the configuration.

    Quick work is done on the event loop, which costs less than handing it to a thread. Many rows
    are predicted in slices, so that the model's intermediate results stay small. `predict`
    takes the place of the model's own, where something else gathers requests into batches.
    """

    def __init__(self, serving: Serving, predict: Predict | None = None) -> None:
        self._seconds = serving.timeout_seconds
        self._most = serving.max_waiting
        self._most_rows = serving.max_rows
        self._under_way = 0
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="predict")
        batching = serving.batching
        if predict is None and batching.wait_ms:
            predict = Batcher(self._pool, batching.max_rows, batching.wait_ms / 1000)
        self._predict = predict

    async def __call__(self, served: Served, read: Read, size: int) -> Answer:
        """The answer to a request of `size` bytes; 503 when too many wait, 504 after the limit."""

        end = time.perf_counter() + self._seconds

        def whole() -> Answer:
            slices, write = read()
            return write(_join([served.model.predict(rows) for rows in self._bounded(slices, end)]))

        def gather() -> tuple[list[Inputs], Write]:
            slices, write = read()
            return list(self._bounded(slices, end)), write

        quick = size <= LARGE_BODY
        if quick and served.seconds <= SLOW_SECONDS and self._predict is None:
            return whole()
        if self._under_way >= self._most:
            reason = f"{self._most} predictions are under way: ask again in a second"
            raise HTTPException(503, reason, {"Retry-After": "1"})
        self._under_way += 1
        try:
            async with asyncio.timeout(self._seconds):
                if self._predict is None:
                    return await self._in_thread(whole)
                slices, write = gather() if quick else await self._in_thread(gather)
                return write(_join([await self._predict(served, rows) for rows in slices]))
        except TimeoutError as error:
            raise HTTPException(
                504, f"the prediction took longer than {self._seconds:g} s"
            ) from error
        finally:
            self._under_way -= 1

    def _bounded(self, slices: Slices, end: float) -> Iterator[Inputs]:
        """The rows in slices that are not too large, while there is time and if they may be."""
        rows = 0
        for inputs in slices:
            length = len(next(iter(inputs.values())))
            rows += length
            if rows > self._most_rows:
                most = f"serving.max_rows allows {self._most_rows}"
                raise RequestError(f"the request has too many rows: {most}")
            if time.perf_counter() > end:
                raise TimeoutError
            if length <= SLICE_ROWS:
                yield inputs
                continue
            for at in range(0, length, SLICE_ROWS):
                yield {name: array[at : at + SLICE_ROWS] for name, array in inputs.items()}

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Run in the pool. A thread cannot be stopped: one given up still counts as under way."""
        loop = asyncio.get_running_loop()
        future = self._pool.submit(function)
        try:
            return await asyncio.wrap_future(future)
        finally:
            if not future.done():
                self._under_way += 1
                future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))

    def _release(self) -> None:
        self._under_way -= 1


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
