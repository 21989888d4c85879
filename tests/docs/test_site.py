"""The site builds without a warning, is whole, and asks no other host for anything."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.questions import ROOT
from tools import site

# What a page loads by itself, as opposed to where a reader may click.
LOADING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """The links, ids and loaded files of a built page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.pictures_without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given["href"])
        if tag in LOADING and LOADING[tag] in given:
            self.loaded.append(given[LOADING[tag]])
        if tag == "img" and not given.get("alt"):
            self.pictures_without_text.append(given.get("src", ""))


def build(config: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]  # --quiet would hide warnings
    return subprocess.run(
        [*command, "--config-file", str(config), "--site-dir", str(target)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "tests", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Every page of the site, by its path."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path.read_text()) for path in folder.rglob("*.html")}


def test_every_link_leads_somewhere(built: dict[Path, Page]) -> None:
    wrong = []
    for path, page in built.items():
        if path.name == "404.html":  # its addresses are those of a site at the root of a host
            continue
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                wrong.append(f"{path.name}: {link}")
            elif parts.fragment and parts.fragment not in built[target].ids | {"__top"}:
                wrong.append(f"{path.name}: {link}: no such heading")
    assert not wrong


def test_no_page_loads_anything_from_another_host(built: dict[Path, Page]) -> None:
    for path, page in built.items():
        assert not [link for link in page.loaded if urlsplit(link).netloc], path.name
        text = path.read_text()
        assert 'class="mermaid"' not in text, "the theme would fetch Mermaid: draw it instead"
    home = next(path.parent for path in built if path.name == "404.html")
    for path in home.rglob("*.css"):
        found = re.search(r"(url\(|@import )['\"]?(https?:)?//[^)]*", path.read_text())
        assert not found, f"{path.name}: {found[0]}"


def test_every_picture_says_what_it_shows(built: dict[Path, Page]) -> None:
    assert not {
        path.name: found for path, page in built.items() if (found := page.pictures_without_text)
    }


def test_the_pages_of_a_project_are_there(built: dict[Path, Page]) -> None:
    home = next(path.parent for path in built if path.name == "404.html") / site.FOLDER
    names = {path.relative_to(home).as_posix() for path in built if path.is_relative_to(home)}
    assert names == {Path(name).with_suffix(".html").as_posix() for name in site.pages()}
    more = {"vertex.html", "endpoint.html", "terraform.html", "ground.html"}
    assert {
        "gate.html",
        "kubeflow.html",
        "lean-server.html",
        "runbooks/ServerDown.html",
        *more,
    } <= names


@pytest.mark.parametrize(
    ("text", "words"),
    [("[x](nowhere.md)", "nowhere.md"), ("[x](index.md#nothing)", "nothing")],
    ids=["page", "heading"],
)
def test_a_broken_link_stops_the_build(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{text}\n")
    config = (ROOT / "mkdocs.yml").read_text()
    config = re.sub(r"^(nav|extra_css|hooks):(.*\n?(?:  .*\n)*)", "", config, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(config)
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


def test_links_to_the_sources_of_a_project_lead_to_its_pages() -> None:
    conditional = "<../../template/docs/{% if x == 'y' %}kubeflow.md{% endif %}>"
    text = f"[a](../../template/docs/gate.md.jinja#slices) [b]({conditional})"
    relinked = site.relink(text, Path("how-to/page.md"))
    assert relinked == "[a](../project/gate.md#slices) [b](../project/kubeflow.md)"
