"""A run's progress for people: follows the lines of `progress`, keeps everything in a log file."""

import io
import re
import sys
import time
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from ..logins import hide
from ..progress import FAILED, FINISHED, STARTED

LINE = re.compile(r"^\s*\[(?P<step>\w+)\] (?P<event>\w+)(?:: (?P<text>.*))?$")


class Display(io.TextIOBase):
    """A text stream that a runner writes to; shows steps on `out`, and the rest only in `log`.

    `steps` are the pipeline's steps in order; one that says nothing before a later one starts was
    answered from the cache.
    """

    def __init__(self, steps: list[str], log: Path, out: TextIO | None = None) -> None:
        self.steps, self.error = list(steps), ""
        self.results: dict[str, str] = {}
        self.said: list[str] = []
        self._log = log.open("a", buffering=1)
        self._console = Console(file=out or sys.stdout, highlight=False, soft_wrap=True)
        # Its usual redirection would take standard output away from this stream.
        self._live = Live(
            console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._rest = ""
        self._step = ""
        self._begin = time.perf_counter()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in map(hide, lines):  # a library's own message may quote a URL with its login
            self._log.write(f"{line}\n")
            self._line(line)
        return len(text)

    def close(self) -> None:
        if not self.closed:
            self._live.stop()
            self._log.write(hide(self._rest))
            self._log.close()
        super().close()

    def finish(self) -> None:
        """Account for the steps that said nothing after the last one ended well."""
        self._live.stop()
        self._skip_to(None)

    @property
    def step(self) -> str:
        """The step that is at work, "" between two."""
        return self._step

    def _line(self, line: str) -> None:
        match = LINE.match(line)
        if not match or match["step"] not in self.steps:
            if self._step and line.strip():
                self._spin(line.strip())
            return
        step, event, text = match["step"], match["event"], match["text"] or ""
        if event == STARTED:
            self.results.pop(step, None)  # a step that is tried again
            self._skip_to(step)
            self._start(step)
        elif event == FINISHED:
            self._end(f"[green]✓[/] {step:<15} {self._seconds()}")
            self.results[step] = "finished"
        elif event == FAILED:
            if self.results.get(step) == "failed":
                return  # its own words were better than how its process ended
            if step != self._step:
                self._skip_to(step)
            self._end(f"[red]✗[/] {step:<15} {self._seconds()}")
            self.results[step], self.error = "failed", f"{step}: {text}"
        else:
            self.said.append(text)

    def _start(self, step: str) -> None:
        self._step, self.said = step, []
        if self._console.is_terminal:
            self._spin("")
            self._live.start()
        else:
            self._console.print(f"  {step} …")

    def _spin(self, said: str) -> None:
        """Show the step that is at work with the last line it printed."""
        said = said[: max(20, self._console.width - 24)]
        self._live.update(Spinner("dots", f"{self._step:<15} [dim]{escape(said)}[/]"))

    def _end(self, line: str) -> None:
        self._live.stop()
        first, *more = self.said or [""]
        self._console.print(f"{line}  {escape(first)}".rstrip())
        for text in more:
            self._console.print(" " * 26 + escape(text))
        self._step, self._begin = "", time.perf_counter()

    def _skip_to(self, step: str | None) -> None:
        """Report the steps before `step` that did not run: from the cache, or not wanted."""
        for name in self.steps[: self.steps.index(step) if step else None]:
            if name not in self.results:
                self.results[name] = "skipped" if step is None else "cached"
                self._console.print(f"[dim]· {name:<15}   {self.results[name]}[/]")

    def _seconds(self) -> str:
        return f"{time.perf_counter() - self._begin:5.1f} s"
