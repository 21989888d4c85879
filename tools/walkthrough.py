"""Run a page of the documentation as its reader would: every command, every edit, in its order.

A ```console block holds commands after `$ ` and what each prints. A block with a title, as in
```yaml title="config/local.yaml", is the whole file; a ```diff block with a title is an edit of it.
`…` stands for any text, and on a line of its own for any lines. Times, dates, commits and ports may
differ from what the page says, and a number with a point by `TOLERANCE`.

A comment before a block says what is special: `<!-- run: background -->` is left running,
`<!-- run: fails -->` must fail, `<!-- not run: REASON -->` is left out.

`python -m tools.walkthrough docs/tutorial.md` says what does not hold; `--write` corrects it.
"""

import argparse
import difflib
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.project import environment, free_port, stop
from support.rendering import isolate_git_and_copier, snapshot

TEMPLATE = "mlops-blueprint"  # the clone, as pages call it
PORT = "8080"
TOLERANCE = 0.02
BLOCK = re.compile(
    r"(?:^<!-- (?P<how>run|not run): (?P<note>[^\n]*) -->\n)?"
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"\n]+)")?[^\n]*\n(?P<body>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
STARTED = re.compile(r"^  \w+ …$")  # off a terminal, a step is announced before it has a result
VARYING = re.compile(
    r"(?P<any>…)|(?P<time>\b\d[\d,]*(?:\.\d+)? (?:s|ms)\b)|"
    r"(?P<date>\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d,\d+)?)?)|"
    r"(?P<decimal>\d+\.\d+)|(?P<hash>\b(?=[a-f]*\d)[0-9a-f]{7,}\b)|(?P<space> +)"
)
PATTERNS = {
    "any": ".*?",
    "time": r"\d[\d,]*(?:\.\d+)? (?:s|ms)",
    "date": r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d,\d+)?)?",
    "decimal": r"(\d+\.\d+)",
    "hash": "[0-9a-f]+",
    "space": " +",
}


class PageError(AssertionError):
    """What the page says is not so; the message names the line of the page."""


@dataclass(frozen=True)
class Step:
    """One thing that a page has its reader do; its output is at page[begin:end]."""

    line: int
    kind: str  # "command", "file" or "edit"
    text: str
    expected: str = ""
    note: str = ""
    title: str = ""
    begin: int = 0
    end: int = 0


def steps(page: str) -> list[Step]:
    """What a page has its reader do, in order."""
    found = []
    for block in BLOCK.finditer(page):
        if block["how"] == "not run":
            continue
        line = page.count("\n", 0, block.start("kind")) + 1
        if block["title"]:
            kind = "edit" if block["kind"] == "diff" else "file"
            found.append(Step(line, kind, block["body"], title=block["title"]))
        elif block["kind"] == "console":
            found += _commands(block, line)
    return found


def _commands(block: re.Match[str], line: int) -> list[Step]:
    found = []
    for part in re.finditer(
        r"^\$ (?P<command>(?:.*\\\n)*.*\n)(?P<out>(?:(?!\$ ).*\n)*)", block["body"], re.MULTILINE
    ):
        at = block.start("body")
        number = line + 1 + block["body"].count("\n", 0, part.start())
        begin, end = at + part.start("out"), at + part.end("out")
        command = part["command"].replace("\\\n", " ").strip()
        note = block["note"] or ""
        found.append(Step(number, "command", command, part["out"], note, "", begin, end))
    return found


def difference(expected: str, actual: str) -> str:
    """How what was printed differs from what the page says; "" when it is as good as equal."""
    said: list[float] = []
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
            continue
        at = 0
        for part in VARYING.finditer(line):
            pattern += re.escape(line[at : part.start()]) + PATTERNS[part.lastgroup or ""]
            said += [float(part[0])] if part["decimal"] else []
            at = part.end()
        pattern += re.escape(line[at:]) + r" *\n"
    found = re.fullmatch(pattern, actual)
    if found and all(
        abs(float(given) - wanted) <= TOLERANCE * max(1, abs(wanted))
        for given, wanted in zip(found.groups(), said, strict=True)
    ):
        return ""
    lines = difflib.unified_diff(
        expected.splitlines(), actual.splitlines(), "the page", "the command", lineterm="", n=1
    )
    return "\n".join(lines)


def clean(output: str) -> str:
    """What a command printed, as a page shows it."""
    lines = [line.rstrip() for line in COLOUR.sub("", output).replace("\r", "").splitlines()]
    return "".join(f"{line}\n" for line in lines if not STARTED.match(line))


@dataclass
class Walk:
    """A reader's folder, and the shell in it."""

    folder: Path
    port: str = field(default_factory=lambda: str(free_port()))
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = self.folder
        self.variables = environment() | {"MLOPS_SERVING__PORT": self.port}

    def __enter__(self) -> "Walk":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            stop(process)

    def do(self, step: Step) -> str:
        """Do one step; what it printed. Raises `PageError` when it cannot be done."""
        if step.kind == "command":
            return self._background(step) if step.note == "background" else self._command(step)
        path = self.place / step.title
        if step.kind == "file":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)
            return ""
        lines = step.text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        text = path.read_text()
        if text.count(old) != 1:
            raise PageError(f"line {step.line}: {step.title} does not hold, once:\n{old}")
        path.write_text(text.replace(old, new))
        return ""

    def _command(self, step: Step) -> str:
        command = step.text.replace(PORT, self.port)
        with tempfile.NamedTemporaryFile("r") as place:
            script = f"trap 'pwd > {place.name}' EXIT\n{command}"
            done = subprocess.run(
                ["bash", "-c", script], cwd=self.place, env=self.variables, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
            )  # fmt: skip
            self.place = Path(place.read().strip() or self.place)
        shown = clean(done.stdout.replace(self.port, PORT))
        if bool(done.returncode) != (step.note == "fails"):
            text = f"line {step.line}: $ {step.text}\nexit code {done.returncode}\n{shown}"
            raise PageError(text)
        return shown

    def _background(self, step: Step) -> str:
        """Start a command on a terminal of its own, and wait for the lines that the page shows."""
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", step.text.replace(PORT, self.port)], cwd=self.place,
            env=self.variables | {"TERM": "xterm", "COLUMNS": "120"}, text=True,
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        os.set_blocking(main, False)
        self.running.append(process)
        shown, end = b"", time.monotonic() + 60
        while time.monotonic() < end and shown.count(b"\n") < step.expected.count("\n"):
            with suppress(OSError):  # nothing to read yet
                shown += os.read(main, 4096)
            time.sleep(0.05)
        text = clean(shown.decode(errors="replace").replace(self.port, PORT))
        if process.poll() is not None:
            raise PageError(f"line {step.line}: $ {step.text}\nended:\n{text}")
        return text


def walk(page: Path, walking: Walk, *, write: bool = False) -> list[str]:
    """Do all that a page says; return what did not hold. `write` puts that into the page."""
    text, wrong, changes = page.read_text(), [], []
    for step in steps(text):
        shown = walking.do(step)
        if step.kind == "command" and (found := difference(step.expected, shown)):
            wrong.append(f"{page.name}, line {step.line}: $ {step.text}\n{found}")
            changes.append((step.begin, step.end, shown))
    for begin, end, shown in reversed(changes) if write else ():
        text = text[:begin] + shown + text[end:]
        page.write_text(text)
    return wrong


@contextmanager
def reader() -> Iterator[Walk]:
    """A walk beside a copy of the template, in a folder that is gone at the end."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        isolate_git_and_copier(home)
        (home / "reader" / TEMPLATE).mkdir(parents=True)
        snapshot(home / "reader" / TEMPLATE)
        with Walk(home / "reader") as walking:
            yield walking


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--write", action="store_true", help="fix the page's outputs")
    given = parser.parse_args()
    with reader() as walking:
        wrong = walk(given.page, walking, write=given.write)
    print("\n\n".join(wrong))
    return int(bool(wrong) and not given.write)


if __name__ == "__main__":
    sys.exit(main())
