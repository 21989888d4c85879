"""Limits, with a real server and slow models."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from serving.slow import Slow, ask_work
from starlette.exceptions import HTTPException

from blueprint.serving.http.work import Work
from blueprint.serving.settings import Serving

BATCHING = [{}, {"batching": {"wait_ms": 1}}] if find_spec("blueprint.serving.batching") else [{}]
BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


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


def test_a_prediction_that_takes_too_long_is_given_up_but_still_counts(
    tmp_path: Any,
) -> None:
    model = Slow()

    async def ask() -> None:
        serving = Serving(store=tmp_path, max_waiting=1, timeout_seconds=0.1)
        work = Work(serving)
        codes = []
        for _ in range(2):
            with pytest.raises(HTTPException) as raised:
                await ask_work(work, model)
            codes.append(raised.value.status_code)
        assert codes == [504, 503]  # its thread is at work still, and is all that may be
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


def test_many_rows_are_predicted_in_slices_and_too_many_rejected(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=1)
    images = [[[index % 256] * 8] * 8 for index in range(3000)]
    limits = {"max_rows": 3000, "max_body_mb": 4}
    for batching in BATCHING:
        with running(store.path, **limits, **batching) as server:
            answer = server.predict(json.dumps({"instances": images}).encode())
            assert len(answer.json()["predictions"]) == 3000
            rejected = server.predict(json.dumps({"instances": [*images, [1]]}).encode())
            assert rejected.status_code == 400
            assert "instances[3000]" in rejected.json()["error"]
            rejected = server.predict(json.dumps({"instances": images * 2}).encode())
            assert rejected.status_code == 400
            assert "serving.max_rows allows 3000" in rejected.json()["error"]


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
