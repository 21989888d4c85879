"""Where predictions run: at once or in a thread; and how many may wait."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from starlette.exceptions import HTTPException

from ..settings import Serving
from .holder import SLOW_SECONDS, Served, cores
from .requests import LARGE_BODY
from .v1 import SLICE_ROWS, RequestError

Inputs = Mapping[str, np.ndarray]
Slices = Iterable[Inputs]  # of the rows of a request
Answer = tuple[bytes, dict[str, str]]  # the body and its headers
Write = Callable[[np.ndarray], Answer]
Read = Callable[[], tuple[Slices, Write]]
T = TypeVar("T")


class Work:
    """Reads a request, predicts and writes the answer, within the limits of the configuration.

    Quick work is done on the event loop, which costs less than handing it to a thread. Many rows
    are predicted in slices, so that the model's intermediate results stay small.
    """

    def __init__(self, serving: Serving) -> None:
        self._seconds = serving.timeout_seconds
        self._most, self._most_rows = serving.max_waiting, serving.max_rows
        self._under_way = 0
        self.pool = ThreadPoolExecutor(cores(), thread_name_prefix="predict")

    async def __call__(self, served: Served, read: Read, size: int) -> Answer:
        """The answer to a request of `size` bytes; 503 when too many wait, 504 after the limit."""
        end = time.perf_counter() + self._seconds
        if self.at_once(served, size):
            return self.answer(served, read, end)
        if self._under_way >= self._most:
            reason = f"{self._most} predictions are under way: ask again in a second"
            raise HTTPException(503, reason, {"Retry-After": "1"})
        self._under_way += 1
        try:
            async with asyncio.timeout(self._seconds):
                return await self.later(served, read, size, end)
        except TimeoutError as error:
            reason = f"the prediction took longer than {self._seconds:g} s"
            raise HTTPException(504, reason) from error
        finally:
            self._under_way -= 1

    def at_once(self, served: Served, size: int) -> bool:
        """Whether the event loop can do it without holding up other requests."""
        return size <= LARGE_BODY and served.seconds <= SLOW_SECONDS

    def answer(self, served: Served, read: Read, end: float) -> Answer:
        """Read, predict and write."""
        slices, write = read()
        return write(join([served.model.predict(rows) for rows in self.bounded(slices, end)]))

    async def later(self, served: Served, read: Read, size: int, end: float) -> Answer:
        """The same in a thread."""
        return await self.in_thread(lambda: self.answer(served, read, end))

    def bounded(self, slices: Slices, end: float) -> Iterator[Inputs]:
        """The rows in slices that are not too large, while there is time and if they may be."""
        total = 0
        for inputs in slices:
            rows = len(next(iter(inputs.values())))
            total += rows
            if total > self._most_rows:
                most = f"serving.max_rows allows {self._most_rows}"
                raise RequestError(f"the request has too many rows: {most}")
            if time.perf_counter() > end:
                raise TimeoutError
            if rows <= SLICE_ROWS:
                yield inputs
                continue
            for at in range(0, rows, SLICE_ROWS):
                yield {name: array[at : at + SLICE_ROWS] for name, array in inputs.items()}

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run in the pool. A thread cannot be stopped: one given up still counts as under way."""
        loop = asyncio.get_running_loop()
        future = self.pool.submit(function)
        try:
            return await asyncio.wrap_future(future)
        finally:
            if not future.done():
                self._under_way += 1
                future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))

    def _release(self) -> None:
        self._under_way -= 1


def join(parts: list[np.ndarray]) -> np.ndarray:
    """The predictions for the slices of a request as one array."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
