"""Several worker processes, of which one dies."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import blueprint.serving.connections  # noqa: F401  (processes are those of this server)

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for the workers in /proc")
def test_a_killed_worker_comes_back_while_the_others_answer(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy("1")

    def workers() -> set[int]:
        process = Path("/proc") / str(server.process.pid)
        pids = (process / "task" / process.name / "children").read_text().split()
        spawned = (
            pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        return set(map(int, spawned))

    def ask() -> list[int]:
        """Status codes; 0 is a connection that broke."""
        codes = []
        end = time.monotonic() + 3
        with httpx.Client(headers={"Connection": "close"}, timeout=10) as client:
            while time.monotonic() < end:
                try:
                    codes.append(client.post(url, content=BODY).status_code)
                except httpx.TransportError:
                    codes.append(0)
        return codes

    with running(store.path, workers=2) as server, ThreadPoolExecutor() as pool:
        url = f"{server.http.base_url}/v1/models/digits:predict"
        wait_for(lambda: len(workers()) == 2, "two workers")
        victim = min(workers())
        asking = pool.submit(ask)
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        codes = asking.result()
        assert codes.count(200) > 20
        assert len(codes) - codes.count(200) <= 1  # what the victim was answering
        wait_for(lambda: len(workers() - {victim}) == 2, "the worker's return")
