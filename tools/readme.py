"""The tree in README.md, taken from a rendering: the folders, and whose they are.

`python -m tools.readme` writes it; a test of the renderings holds it up to date.
"""

import re
import tempfile
from pathlib import Path

from support.questions import ROOT
from support.rendering import isolate_git_and_copier, render, snapshot

README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- tree: [^\n]*-->\n```text\n)(.*?)(```\n<!-- end of tree -->)", re.DOTALL)
NOTES = {
    ".github": "CI",
    "config": "base.yaml, and for each environment only what differs",
    "docs": "short pages for the project's own readers",
    "notebooks": "`make notebook`: the test rows and the champion, yours to change",
    "src": "",
    "tests": "yours: of your steps, the gate, the pipeline and the server",
    "Makefile": "`make help` lists its targets",
    "pyproject.toml": "one project, dependency groups by role",
}


def tree(project: Path) -> str:
    """The project's own folders and files, and the folders of its package that are its owner's."""
    rows = [(f"{project.name}/", "")]
    for entry in sorted(project.iterdir(), key=lambda path: (path.is_file(), path.name)):
        if entry.name not in NOTES:
            continue
        rows.append((f"├── {entry.name}{'/' if entry.is_dir() else ''}", NOTES[entry.name]))
        if entry.name == "src":
            [package] = [each for each in entry.iterdir() if each.name != "blueprint"]
            rows += [
                (f"│   ├── {package.name}/", "yours: data.py, train.py, pipeline.py, components/"),
                ("│   └── blueprint/", "the plumbing: updates own it"),
            ]
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:<{width}}{text}".rstrip() + "\n" for name, text in rows)


def page(project: Path) -> str:
    """README.md with the tree of `project` in it."""
    return BLOCK.sub(lambda found: found[1] + tree(project) + found[3], README.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        isolate_git_and_copier(home)
        (home / "template").mkdir()
        project = render(snapshot(home / "template"), home / "digit-recognition")
        README.write_text(page(project))
