"""A room of the server that does wrong when the file .fault says so: "errors" or "latency"."""

import asyncio
from pathlib import Path
from typing import Any

FILE = Path(".fault")
SLOW_SECONDS = 0.6  # beyond the objective of the tests (LATENCY_SECONDS)


class Faulty:
    """Does the work of another, late or never."""

    def __init__(self, work: Any) -> None:
        self._work = work

    async def __call__(self, served: Any, read: Any, size: int) -> Any:
        fault = FILE.read_text() if FILE.exists() else ""
        if fault == "errors":
            raise RuntimeError("a fault of the test")
        if fault == "latency":
            await asyncio.sleep(SLOW_SECONDS)
        return await self._work(served, read, size)


def routes(api: Any) -> list[Any]:
    api.work = Faulty(api.work)
    return []


def paths(name: str, served: Any) -> dict[str, Any]:
    return {}
