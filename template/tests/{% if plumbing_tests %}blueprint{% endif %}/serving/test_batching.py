"""Requests that are predicted together."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from serving.slow import Slow, ask_work, rows, served
from starlette.exceptions import HTTPException

from blueprint.model import ModelError
from blueprint.serving.batching.batcher import Batcher, InBatches
from blueprint.serving.http import holder
from blueprint.serving.settings import Serving

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


def gather(model: Slow, *requests: dict[str, np.ndarray], max_rows: int = 64) -> list[Any]:
    """Predict for all at once, when every core is busy with a request of its own."""
    busy = [rows(0)] * holder.cores()

    async def ask() -> list[Any]:
        with ThreadPoolExecutor(holder.cores()) as pool:
            batcher, version = Batcher(pool, max_rows, seconds=20), served(model)
            tasks = []
            for each in busy:
                tasks.append(asyncio.create_task(batcher(version, each)))
                await asyncio.sleep(0.02)  # so that each is a batch of its own
            tasks += [asyncio.create_task(batcher(version, each)) for each in requests]
            await asyncio.sleep(0.02)
            model.may.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())[len(busy) :]


def test_what_comes_while_the_cores_are_busy_is_one_batch() -> None:
    model = Slow()
    answers = gather(model, rows(1), rows(2, 3), rows(4))
    assert [answer.tolist() for answer in answers] == [[10], [20, 30], [40]]
    assert sorted(model.batches) == [1] * holder.cores() + [4]


def test_a_full_batch_does_not_grow() -> None:
    model = Slow()
    answers = gather(model, rows(1, 2), rows(3, 4), rows(5, 6, 7, 8), max_rows=3)
    assert [answer.tolist() for answer in answers] == [[10, 20], [30, 40], [50, 60, 70, 80]]
    assert sorted(model.batches) == [1] * holder.cores() + [2, 2, 4]


@pytest.mark.parametrize(("row", "error"), [(13, ModelError), (14, MemoryError)])
def test_a_row_that_fails_fails_its_own_request_alone(row: int, error: type[Exception]) -> None:
    good, bad, other = gather(Slow(), rows(1), rows(row), rows(2))
    assert (good.tolist(), other.tolist()) == ([10], [20])
    assert isinstance(bad, error)


def test_requests_that_do_not_fit_together_are_all_answered() -> None:
    one, other = gather(Slow(), rows(1), {"x": np.array([[2]])})
    assert (one.tolist(), other.tolist()) == ([10], [[20]])


@pytest.mark.parametrize(
    ("cancelled", "error"), [(True, ModelError), (False, RuntimeError)], ids=["task", "threads"]
)
def test_nobody_waits_for_a_batch_that_ends_otherwise(
    cancelled: bool, error: type[Exception]
) -> None:
    """Its task is cancelled, or the pool has been shut down."""

    async def ask() -> list[Any]:
        pool, version = ThreadPoolExecutor(1), served(Slow())
        pool.shutdown()
        batcher = Batcher(pool, 64, seconds=0)
        tasks = [asyncio.create_task(batcher(version, rows(1))) for _ in range(3)]
        while cancelled and not batcher._running:
            await asyncio.sleep(0)
        for task in batcher._running:
            task.cancel()
        async with asyncio.timeout(5):
            return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(ask())] == [error] * 3


def test_nobody_waits_longer_than_the_bound() -> None:
    model = Slow()

    async def ask() -> float:
        with ThreadPoolExecutor(8) as pool:  # more threads than the batcher takes for granted
            batcher, version = Batcher(pool, 64, seconds=0.1), served(model)
            busy = []
            for _ in range(holder.cores()):
                busy.append(asyncio.create_task(batcher(version, rows(0))))
                await asyncio.sleep(0.02)
            fast = Slow()
            fast.may.set()
            start = time.perf_counter()
            await batcher(served(fast), rows(1))
            seconds = time.perf_counter() - start
            model.may.set()
            await asyncio.gather(*busy)
            return seconds

    assert 0.09 < asyncio.run(ask()) < 2


def test_batches_over_http(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1", answer=1, work=20)
    with (
        running(store.path, batching={"wait_ms": 20, "max_rows": 8}) as server,
        ThreadPoolExecutor(16) as pool,
    ):
        for response in pool.map(lambda _: server.predict(BODY), range(32)):
            [row] = response.json()["predictions"]
            assert row.index(max(row)) == 1


def test_a_batch_that_takes_too_long_is_given_up(tmp_path: Any) -> None:
    model = Slow()

    async def ask() -> Any:
        serving = Serving(store=tmp_path, timeout_seconds=0.1, batching={"wait_ms": 1})
        work = InBatches(serving)
        with pytest.raises(HTTPException) as raised:
            await ask_work(work, model)
        model.may.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    return raised.value.status_code, (await ask_work(work, model))[0]
                except HTTPException:
                    await asyncio.sleep(0.01)

    assert asyncio.run(ask()) == (504, b"[10]")
