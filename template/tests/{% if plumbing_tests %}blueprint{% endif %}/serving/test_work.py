"""Limits, and requests that are predicted together, with a real server and slow models."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.exceptions import HTTPException

from blueprint.model import ModelError
from blueprint.serving import holder
from blueprint.serving.batching import Batcher
from blueprint.serving.holder import Served
from blueprint.serving.settings import Batching, Serving
from blueprint.serving.work import Work

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


class Slow:
    """A model that says how many rows it got, as soon as it may; rows 13 and 14 make it fail."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.batches: list[int] = []

    def predict(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        assert self.may.wait(20)
        rows = inputs["x"]
        self.batches.append(len(rows))
        if 13 in rows:
            raise ModelError("unlucky")
        if 14 in rows:
            raise MemoryError
        return rows * 10


def served(model: Slow) -> Served:
    return cast(Served, SimpleNamespace(model=model, seconds=1.0))


def rows(*values: int) -> dict[str, np.ndarray]:
    return {"x": np.array(values)}


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


def ask_work(work: Work, model: Slow) -> Any:
    def read() -> Any:
        return [rows(1)], lambda predictions: (json.dumps(predictions.tolist()).encode(), {})

    return work(served(model), read, 10)


def test_one_too_many_is_sent_away_and_told_when_to_come_back(tmp_path: Any) -> None:
    model = Slow()

    async def ask() -> None:
        work = Work(Serving(store=tmp_path, max_waiting=2))
        waiting = [asyncio.create_task(ask_work(work, model)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(HTTPException) as raised:
            await ask_work(work, model)
        assert raised.value.status_code == 503
        assert (raised.value.headers or {})["Retry-After"] == "1"
        model.may.set()
        assert [body for body, _ in await asyncio.gather(*waiting)] == [b"[10]", b"[10]"]
        assert (await ask_work(work, model))[0] == b"[10]"

    asyncio.run(ask())


@pytest.mark.parametrize("batching", [Batching(), Batching(wait_ms=1)])
def test_a_prediction_that_takes_too_long_is_given_up_but_still_counts(
    tmp_path: Any, batching: Batching
) -> None:
    model = Slow()

    async def ask() -> None:
        serving = Serving(store=tmp_path, max_waiting=1, timeout_seconds=0.1, batching=batching)
        work = Work(serving)
        codes = []
        for _ in range(2):
            with pytest.raises(HTTPException) as raised:
                await ask_work(work, model)
            codes.append(raised.value.status_code)
        assert codes[0] == 504
        if not batching.wait_ms:  # its thread is at work still, and is all that may be
            assert codes[1] == 503
        model.may.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert (await ask_work(work, model))[0] == b"[10]"
                    return
                except HTTPException:
                    await asyncio.sleep(0.01)

    asyncio.run(ask())


def test_an_overloaded_server_answers_quickly_and_recovers(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=1, work=40)
    with running(store.path, max_waiting=2) as server, ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda _: server.predict(BODY), range(16)))
        codes = [response.status_code for response in responses]
        assert set(codes) == {200, 503}
        assert all(r.headers["retry-after"] == "1" for r in responses if r.status_code == 503)
        assert server.predict(BODY).status_code == 200


def test_many_rows_are_predicted_in_slices_and_too_many_refused(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=1)
    images = [[[index % 256] * 8] * 8 for index in range(3000)]
    limits = {"max_rows": 3000, "max_body_mb": 4}
    for batching in ({}, {"wait_ms": 1}):
        with running(store.path, batching=batching, **limits) as server:
            answer = server.predict(json.dumps({"instances": images}).encode())
            assert len(answer.json()["predictions"]) == 3000
            refused = server.predict(json.dumps({"instances": [*images, [1]]}).encode())
            assert refused.status_code == 400
            assert "instances[3000].image: expected shape" in refused.json()["error"]
            refused = server.predict(json.dumps({"instances": images * 2}).encode())
            assert refused.status_code == 400
            assert "serving.max_rows allows 3000" in refused.json()["error"]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_large_requests_have_bounds_together_and_give_their_memory_back(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=1)
    content = json.dumps({"instances": [[[0] * 8] * 8] * 40_000}).encode()

    with (
        running(store.path, max_body_mb=16, max_bodies_mb=32) as server,
        ThreadPoolExecutor(8) as pool,
    ):

        def memory(line: str) -> int:
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            return int(status.partition(f"{line}:")[2].split()[0]) // 1024

        before = memory("VmRSS")
        answers = pool.map(lambda _: server.predict(content), range(8))
        assert server.http.get("/healthz").status_code == 200
        assert server.predict(BODY).status_code == 200
        answers = list(answers)
        assert {answer.status_code for answer in answers} == {200, 503}
        assert {a.headers.get("retry-after") for a in answers} == {None, "1"}
        assert memory("VmHWM") - before < 200
        time.sleep(1)
        assert memory("VmRSS") - before < 60
        assert server.predict(content).status_code == 200


def test_batches_over_http(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1", answer=1, work=20)
    with (
        running(store.path, batching={"wait_ms": 20, "max_rows": 8}) as server,
        ThreadPoolExecutor(16) as pool,
    ):
        for response in pool.map(lambda _: server.predict(BODY), range(32)):
            [row] = response.json()["predictions"]
            assert row.index(max(row)) == 1
