"""The pictures of the documentation, taken in headless Chromium from a project that lived.

The project is that of the tutorial, at the tutorial's end. `nox -s screenshots` writes
docs/images/; `-- --diagrams` draws docs/diagrams/ instead, and `-- --site DIRECTORY` takes pictures
of the built site, light and dark, to look at. It needs chromium, in PATH or in $CHROMIUM.
"""

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from support.project import Project, environment, free_port, get, stop
from support.questions import ROOT
from tools import diagrams
from tools.walkthrough import STARTED, reader, walk

IMAGES = ROOT / "docs" / "images"
NAME = "tumour-check"
MAX_BYTES = 150_000
COLOURS = 128  # a screenshot has few: the file is a third of its size
WITHOUT_ASSISTANT = """
localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] = 'true';
localStorage['mlflow.assistant.panelOpen_v1'] = 'false';
"""
TERMINAL = """\
<body style="margin:0;background:#1e1e2e">
<pre style="margin:0;padding:20px 24px;display:inline-block;color:#d9e0ee;font:14px/1.45
'DejaVu Sans Mono',monospace">{code}</pre></body>"""


@contextmanager
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise SystemExit("error: no chromium: apt-get install chromium, or name one in $CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


def save(picture: bytes, path: Path) -> None:
    """A PNG of few colours; more than `MAX_BYTES` of it is an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {image.width}×{image.height}, {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"error: {path} has {size} bytes: at most {MAX_BYTES}")


def terminal(project: Project, *arguments: str) -> str:
    """A page with what `make ARGUMENTS` shows on a terminal with colours, without its spinner."""
    colours = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLUMNS": "130"}
    variables = {key: value for key, value in environment().items() if key != "NO_COLOR"} | colours
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=project.path, env=variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    quoted = [text if " " not in text else re.sub("=(.*)", r'="\1"', text) for text in arguments]
    shown = f"$ make {' '.join(quoted)}\n{done.stdout}"
    lines = [line for line in shown.splitlines() if not STARTED.match(line)]
    console = Console(record=True, width=130, file=io.StringIO())
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
    return console.export_html(theme=MONOKAI, code_format=TERMINAL, inline_styles=True)


@contextmanager
def mlflow(project: Project) -> Iterator[str]:
    """`make ui`, from the moment it answers; its address."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", project.path / ".mlops" / "ui.log"
    process = project.start("ui", f"PORT={port}", log=log)
    try:
        end = time.monotonic() + 120
        while get(f"{url}/health")[0] != 200:
            if time.monotonic() > end:
                raise SystemExit(f"error: MLflow does not answer: {log.read_text()}")
            time.sleep(0.2)
        yield url
    finally:
        stop(process)


def of_mlflow(page: Page, url: str) -> None:
    """The page of a version, and that of the run that it comes from."""
    page.add_init_script(WITHOUT_ASSISTANT)
    api = f"{url}/api/2.0/mlflow"
    version = json.loads(get(f"{api}/model-versions/get?name={NAME}&version=2")[1])
    run = version["model_version"]["run_id"]
    experiment = json.loads(get(f"{api}/runs/get?run_id={run}")[1])["run"]["info"]["experiment_id"]
    for path, word, name in (
        (f"models/{NAME}/versions/2", "Accepted", "mlflow-version.png"),
        (f"experiments/{experiment}/runs/{run}", "accuracy", "mlflow-run.png"),
    ):
        page.goto(f"{url}/#/{path}?workflowType=machine_learning")
        page.get_by_text(word).first.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
        save(page.screenshot(), IMAGES / name)


def of_a_project(project: Project) -> None:
    with browser() as started:
        page = started.new_page(viewport={"width": 1180, "height": 940})
        page.goto((project.path / ".mlops" / "report.html").as_uri())
        save(page.screenshot(), IMAGES / "report.png")
        page.goto((project.path / ".mlops" / "cards" / "1" / "card.html").as_uri())
        save(page.screenshot(), IMAGES / "model-card.png")
        page.set_content(terminal(project, "run", "ARGS=train.strength=0.5"))
        save(page.locator("pre").screenshot(), IMAGES / "terminal.png")
        page.set_viewport_size({"width": 1280, "height": 800})
        with mlflow(project) as url:
            of_mlflow(page, url)


def of_the_site(site: Path, folder: Path) -> None:
    """Every page of the built site, light and dark."""
    with browser() as started:
        for scheme in ("light", "dark"):
            page = started.new_page(
                viewport={"width": 1280, "height": 1000},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            for path in sorted(site.rglob("*.html")):
                page.goto(path.as_uri())
                page.wait_for_timeout(300)
                name = "-".join(path.relative_to(site).with_suffix("").parts)
                folder.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=folder / f"{name}-{scheme}.png")
            if others := [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]:
                raise SystemExit(f"error: pages ask other hosts: {', '.join(others)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--site", type=Path, metavar="DIRECTORY", help="put pictures of site/ there"
    )
    parser.add_argument("--diagrams", action="store_true", help="draw docs/diagrams instead")
    given = parser.parse_args()
    if given.diagrams:
        diagrams.draw()
        return 0
    if given.site:
        of_the_site(ROOT / "site", given.site)
        return 0
    with reader() as walking:
        if wrong := walk(ROOT / "docs" / "tutorial.md", walking):
            print("\n\n".join(wrong))
            return 1
        of_a_project(Project(walking.place))
    return 0


if __name__ == "__main__":
    sys.exit(main())
