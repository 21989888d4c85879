"""A hook of MkDocs: the pages of a generated project are part of the site.

`template/docs/` becomes the folder `project/` of the site, rendered with the default answers and
what watches the model; of the grounds, Vertex AI's is shown. A link to `template/docs/PAGE.md`,
which leads to the source in a clone, leads to it.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from support.questions import ROOT, default_answers

SOURCES = ROOT / "template" / "docs"
FOLDER = "project"
SECTION = "In a project"
ANSWERS = {"observability": True, "drift_monitoring": True}
GROUND = {"platform": "vertex", "serving_platform": "vertex", "infrastructure": "terraform"}
CONDITION = re.compile(r"{%[^}]*%}")
LINK = re.compile(
    r"\]\(<?(?:\.\./)+template/docs/(?:{%[^}]*%})?(?P<page>[a-z-]+\.md)[^)>#]*(?P<id>#[\w-]+)?>?\)"
)


def pages() -> dict[str, str]:
    """The text of each page by its name; those that an answer brings are here, too."""
    environment = Environment(undefined=StrictUndefined, loader=FileSystemLoader(ROOT))
    found = {}
    for path in sorted(SOURCES.rglob("*.md*")):
        text = path.read_text()
        if path.suffix == ".jinja":
            given = GROUND if "ground ==" in path.name else ANSWERS
            text = environment.from_string(text).render(default_answers(**given))
        found[CONDITION.sub("", path.relative_to(SOURCES).as_posix()).removesuffix(".jinja")] = text
    return found


def relink(text: str, page: Path) -> str:
    """Links to the sources of a project's pages lead to the pages."""
    up = "../" * (len(page.parts) - 1)
    return LINK.sub(lambda found: f"]({up}{FOLDER}/{found['page']}{found['id'] or ''})", text)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    assert config.nav is not None
    names = sorted(f"{FOLDER}/{name}" for name in pages())
    alerts = [name for name in names if "/runbooks/" in name]
    listed = [*(name for name in names if name not in alerts), {"Alerts": alerts}]
    at = [index for index, entry in enumerate(config.nav) if "Reference" in entry]
    config.nav.insert(at[0], {SECTION: listed})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, text in pages().items():
        files.append(File.generated(config, f"{FOLDER}/{name}", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    return relink(markdown, Path(page.file.src_uri))
