"""How far scoring is, in lines that a log can hold."""

import time
from collections.abc import Callable


class Ticker:
    """Says how many rows are done, at most every few seconds: for logs, where no bar can move."""

    def __init__(self, say: Callable[[str], None], seconds: float = 5) -> None:
        self._say, self._seconds, self._last = say, seconds, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last >= self._seconds:
            self._last = time.monotonic()
            self._say(f"{done:,} of {total:,} rows ({done / max(1, total):.0%})")
