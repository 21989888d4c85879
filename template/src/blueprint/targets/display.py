"""A run's progress for people: follows the lines of `progress`, keeps everything in a log file."""

import io
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from ..logins import hide
from ..progress import FAILED, FINISHED, LINE, SAYS, STARTED
from ..text import shorten

CACHED = re.compile(r"^Task (?P<task>\S+) cache hit")  # what KFP says
NAME, INDENT, WIDTH = 15, 4, 80


class Display(io.TextIOBase):
    """A text stream that a runner writes to; shows steps on `out`, and the rest only in `log`.

    `steps` are the functions of the pipeline's components. One that has not been started at the end
    was skipped.
    """

    def __init__(self, steps: list[str], log: Path, out: TextIO | None = None) -> None:
        self.steps, self.error = list(steps), ""
        self.results: dict[str, str] = {}
        self._log = log.open("a", buffering=1)
        self._console = Console(file=out or sys.stdout, highlight=False, soft_wrap=True)
        # Its usual redirection would take standard output away from this stream.
        self._live = Live(
            console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._name = max([NAME, *map(len, self.steps)])
        self._rest = ""
        self._working: dict[str, tuple[float, list[str]]] = {}  # since when, and what they say

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
        """Show the steps that were not started, after the last one ended well."""
        self._live.stop()
        for step in self.steps:
            if step not in self.results:
                self._leave_out(step, "skipped")

    @property
    def step(self) -> str:
        """The step that was started last and is at work, "" between two."""
        return next(reversed(self._working), "")

    def cached(self, step: str) -> None:
        """Show that a step was answered from the cache."""
        if step in self.steps and step not in self.results:
            self._leave_out(step, "cached")

    def _line(self, line: str) -> None:
        if match := CACHED.match(line):
            self.cached(re.sub(r"-\d+$", "", match["task"]).replace("-", "_"))
            return
        match = LINE.match(line)
        if not match or match["step"] not in self.steps:
            if self.step and line.strip():
                self._spin(line.strip())
            return
        step, event, text = match["step"], match["event"], match["text"] or ""
        if event == STARTED:
            if step not in self._working:  # it may say so itself, after its runner
                self._working[step] = (time.perf_counter(), [])
                self._start(step)
        elif event == SAYS and step in self._working:
            self._working[step][1].append(text)
        elif event == FINISHED and step in self._working:
            self.results[step] = "finished"
            self._end("[green]✓[/]", step)
        elif event == FAILED and self.results.get(step) != "failed":  # its own words are better
            self.results[step], self.error = "failed", f"{step}: {text}"
            self._end("[red]✗[/]", step)

    def _start(self, step: str) -> None:
        if self._console.is_terminal:
            self._spin("")
            self._live.start()
        else:
            self._console.print(f"  {step} …")

    def _spin(self, text: str) -> None:
        """Show the step that is at work with the last line it printed."""
        text = shorten(text, max(20, self._console.width - self._name - 6))
        self._live.update(Spinner("dots", f"{self.step:<{self._name}} [dim]{escape(text)}[/]"))

    def _end(self, sign: str, step: str) -> None:
        """Show what a step has said: one short line beside its name, more of them below it."""
        self._live.stop()
        begin, said = self._working.pop(step, (time.perf_counter(), []))
        head = f"{step:<{self._name}} {time.perf_counter() - begin:6.1f} s"
        beside = said[0] if len(said) == 1 and len(head) + len(said[0]) + 4 <= WIDTH else ""
        self._console.print(f"{sign} {head}  {escape(beside)}".rstrip())
        for text in said if not beside else ():
            for part in textwrap.wrap(
                text,
                WIDTH,
                initial_indent=" " * INDENT,
                subsequent_indent=" " * (INDENT + 2),
                break_long_words=False,
                break_on_hyphens=False,
            ):
                self._console.print(escape(part))
        if self._working and self._console.is_terminal:
            self._spin("")
            self._live.start()

    def _leave_out(self, step: str, reason: str) -> None:
        self.results[step] = reason
        self._console.print(f"[dim]· {step:<{self._name}} {'':6}   {reason}[/]")
