"""The diagrams of the documentation: docs/diagrams/NAME.mmd, drawn to NAME.svg by Mermaid.

Drawn once and committed, so that a reader's browser needs no script and asks no other host.
`nox -s screenshots -- --diagrams` draws those that have changed; a static test finds those that
were changed and not drawn. It needs npm, which brings Mermaid, and chromium.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from support.questions import ROOT

FOLDER = ROOT / "docs" / "diagrams"
MERMAID = "mermaid@12.3.0"
OPTIONS = """{startOnLoad: false, theme: 'base', fontFamily: 'sans-serif', htmlLabels: false,
  deterministicIds: true, flowchart: {htmlLabels: false, wrappingWidth: 280},
  themeVariables: {primaryColor: '#e8eaf6', primaryBorderColor: '#5c6bc0', lineColor: '#5c6bc0',
    clusterBkg: '#fafafa', clusterBorder: '#9fa8da', edgeLabelBackground: '#ffffff'},
  themeCSS: '.edgeLabel rect {opacity: 1; fill: #ffffff}'}"""


def mark(source: Path) -> str:
    """What the SVG says of the source that it was drawn from."""
    return f"<!-- drawn from {hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def svg_of(source: Path) -> Path:
    return source.with_suffix(".svg")


def stale() -> list[Path]:
    """The sources whose SVG is missing or of another source."""
    return [
        source
        for source in sorted(FOLDER.glob("*.mmd"))
        if not svg_of(source).exists() or mark(source) not in svg_of(source).read_text()
    ]


def draw() -> None:
    from tools.screenshots import browser

    with tempfile.TemporaryDirectory() as folder, browser() as started:
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        subprocess.run(["tar", "-xzf", archive.name], cwd=folder, check=True)
        page = started.new_page()
        page.add_script_tag(path=Path(folder) / "package" / "dist" / "mermaid.min.js")
        page.evaluate(f"mermaid.initialize({OPTIONS})")
        for source in stale():
            drawn = page.evaluate(
                "async ([id, text]) => (await mermaid.render(id, text)).svg",
                [source.stem, source.read_text()],
            )
            svg_of(source).write_text(f"{drawn}\n{mark(source)}\n")
            print(svg_of(source).name)
