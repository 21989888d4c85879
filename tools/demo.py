"""From nothing to a prediction: scaffold a project with the default answers, set it up, train it
through its pipeline, serve what the gate accepted and ask it about a picture.

Prints each stage as it goes, a table of times and what to type next. `--keep DIRECTORY` puts the
project there and leaves it; otherwise it is removed.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from support import rendering
from support.project import Project, environment
from support.questions import ROOT

KEPT = """
The project is yours. Type next:
  cd {}
  make serve            answer requests, then `make predict` in another terminal
  make report           the evaluation of the model
  make help             all the rest; your code goes into src/digit_recognition"""
GONE = """
The project was removed again. Type next:
  make demo KEEP=build  the same, and the project stays in build/digit-recognition
  uvx copier copy {} my-project    a project of your own: README.md"""
TICK = 2.0
"""Seconds of silence after which a quiet stage shows that it is alive."""


class StageError(Exception):
    """A stage ended badly; the message says how, after its output."""


class Stages:
    """Runs stages one by one and keeps their times."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    def run(self, title: str, action: Callable[[], None]) -> None:
        print(f"\n── {title}", flush=True)
        begin = time.monotonic()
        try:
            action()
        finally:
            self.times.append((title, time.monotonic() - begin))
        print(f"   done in {self.times[-1][1]:.1f} s", flush=True)

    def table(self) -> str:
        width = max(len(title) for title, _ in self.times)
        rows = [f"{title:<{width}}  {seconds:6.1f} s" for title, seconds in self.times]
        total = sum(seconds for _, seconds in self.times)
        return "\n".join([*rows, "─" * (width + 10), f"{'together':<{width}}  {total:6.1f} s"])


def shown(project: Project, *arguments: str) -> None:
    """A make target whose output is shown as it is."""
    command = ["make", "--no-print-directory", *arguments]
    code = subprocess.run(command, cwd=project.path, env=environment()).returncode
    if code:
        raise StageError(f"make {' '.join(arguments)}: exit code {code}")


def quiet(project: Project, *arguments: str) -> None:
    """A make target whose output is of interest only if it fails; dots show that it goes on."""
    done = threading.Event()

    def dots() -> None:
        while not done.wait(TICK):
            print(".", end="", flush=True)

    ticking = threading.Thread(target=dots, daemon=True)
    ticking.start()
    try:
        project.make(*arguments)
    except AssertionError as error:
        raise StageError(str(error)) from None
    finally:
        done.set()
        ticking.join()
    print()


def demo(folder: Path) -> None:
    stages = Stages()
    project = Project(folder / "digit-recognition")
    with tempfile.TemporaryDirectory(prefix="blueprint-") as home:
        rendering.isolate_git_and_copier(Path(home))
        template = Path(home) / "template"
        template.mkdir()

        def scaffold() -> None:
            rendering.render(rendering.snapshot(template), project.path)

        stages.run("copier copy: scaffold the project", scaffold)
    stages.run("make setup: install what it needs", lambda: quiet(project, "setup"))
    stages.run("make run: train, evaluate, register", lambda: shown(project, "run"))
    begin = time.monotonic()
    print("\n── make serve: answer with the champion", flush=True)
    try:
        with project.serve() as server:
            stages.times.append(("make serve: answer with the champion", time.monotonic() - begin))
            print(f"   ready on {server.url} after {stages.times[-1][1]:.1f} s", flush=True)
            stages.run(
                "make predict: ask about one picture",
                lambda: shown(project, "predict", f"PORT={server.port}"),
            )
    except AssertionError as error:
        raise StageError(str(error)) from None
    print(f"\n{stages.table()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave the project there")
    keep = parser.parse_args().keep
    try:
        if keep:
            demo(keep)
            print(KEPT.format(shlex.quote(str(keep / "digit-recognition"))))
        else:
            with tempfile.TemporaryDirectory(prefix="blueprint-demo-") as folder:
                demo(Path(folder))
            print(GONE.format(shlex.quote(str(ROOT))))
    except StageError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
