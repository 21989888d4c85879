"""What the pages of the documentation name, there is: pictures, diagrams, files, make targets."""

import re
from pathlib import Path

import pytest

from support.questions import ROOT
from support.rendering import tracked_files
from tools import diagrams, make_page

MAX_BYTES = 150_000
PAGES = [
    path
    for path in tracked_files()
    if path.suffix == ".md" and (path.parts[0] == "docs" or len(path.parts) == 1)
]
CODE = re.compile(r"```\w*[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
MAKE = re.compile(r"(?:^|[\s(&$])make +(?:[A-Z_]+=\S+ +)*([a-z][a-z0-9-]*)", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?:<([^>]+)>|([^)\s]+))\)")


def text(path: Path) -> str:
    return (ROOT / path).read_text()


def project_targets() -> set[str]:
    """Every target that some project has."""
    answers = [
        {},
        *({**make_page.place_for(*each)} | dict([each]) for each in make_page.deciding()),
    ]
    return {
        name
        for given in answers
        for name in re.findall(r"^([a-z][a-z-]*):", make_page.makefile(**given), re.MULTILINE)
    }


def own_targets() -> set[str]:
    """The targets of this repository's Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    sessions = " ".join(re.findall(r"^SESSIONS [:+]= (.*)", makefile, re.MULTILINE)).split()
    return {*re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE), *sessions}


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_every_target_that_a_page_names_exists(path: Path) -> None:
    known = project_targets() | own_targets()
    for block in CODE.finditer(text(path)):
        for name in MAKE.findall(block[1] or block[2]):
            assert name in known, f"make {name}"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_every_file_that_a_page_links_to_exists(path: Path) -> None:
    """As one reads it in the repository; the site's own links are checked when it is built."""
    prose = re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)
    for mark, words, quoted, plain in LINK.findall(prose):
        link = (quoted or plain).partition("#")[0]
        if not link or "://" in link:
            continue
        target = (ROOT / path).parent / link
        assert target.exists(), link
        if mark:
            assert len(words.split()) > 2, f"{link}: say what it shows"


def test_an_error_of_a_deployment_is_quoted_as_it_is_written() -> None:
    """What the table of deploy.md has the reader look for, the code says; numbers may differ."""
    page = (ROOT / "template/docs/{% if cluster_serving %}deploy.md{% endif %}.jinja").read_text()
    table = page.partition("| it says | you type |")[2].partition("\n\n")[0]
    sources = (ROOT / "template/src/blueprint").rglob("*.py")
    code = " ".join(re.sub(r'"\s*f?"', "", path.read_text()) for path in sources)
    clusters_own = {"exceeded quota", "Insufficient cpu"}
    quoted = [
        text for row in table.splitlines()[2:] for text in re.findall("`(.+?)`", row.split("|")[1])
    ]
    assert len(quoted) > 20
    for text in {*quoted} - clusters_own:
        for part in re.split("…", text):
            words = re.sub(r"\d+|InferenceService|^fetch-model$|^server$", "@", part.strip())
            pattern = re.escape(words).replace("@", r"(\{[^}]*\}|\S+)")
            assert re.search(pattern, code), part


def test_every_picture_is_small_and_used() -> None:
    named = {
        ((ROOT / path).parent / (quoted or plain)).resolve()
        for path in PAGES
        for mark, _, quoted, plain in LINK.findall(text(path))
        if mark
    }
    pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".svg")]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= MAX_BYTES, picture.name
        assert picture.resolve() in named, f"{picture.name}: on no page"


def test_every_screenshot_is_one_that_the_script_takes() -> None:
    script = (ROOT / "tools" / "screenshots.py").read_text()
    taken = set(re.findall(r'"([a-z-]+\.png)"', script))
    taken |= {f"dashboard-{name}.png" for name in ("service", "model")}  # tools/panels.py
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} == taken


@pytest.mark.parametrize("page", ["explanation/why-onnx.md", "decisions/0008-a-lean-server.md"])
def test_a_measured_number_is_that_of_the_measurement(page: str) -> None:
    """Requests a second are quoted from a page that the benchmark writes again."""
    measured = (ROOT / "docs" / "reference" / "serving-speed.md").read_text()
    quoted = re.findall(
        r"\b(\d,\d{3}|\d{3})\b(?= request| behind|[^\n]* \|)", text(Path("docs") / page)
    )
    assert len(quoted) >= 3
    assert not [number for number in quoted if not re.search(rf"\| {number}\b", measured)]


def test_every_diagram_is_drawn_from_its_source() -> None:
    assert diagrams.stale() == [], "draw it: make screenshots ARGS=--diagrams"


def test_a_runbook_goes_from_what_one_sees_to_what_fixes_it() -> None:
    folder = ROOT / "docs" / "runbooks"
    index = (folder / "index.md").read_text()
    for path in folder.glob("*.md"):
        if path.name != "index.md":
            words = path.read_text()
            assert path.name in index
            parts = [words.index(part) for part in ("**You see**", "**Check", "```sh")]
            assert parts[0] == min(parts)
            answers = ("| do |", "may it be deleted?", "**Roll back first**")
            assert any(answer in words for answer in answers)
