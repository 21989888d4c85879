"""The tree in README.md, taken from a rendering: folders and modules, and what they say they are.

`python -m blueprint.readme` writes it; a test of the renderings holds it up to date.
"""

import ast
import re
import tempfile
from pathlib import Path

from blueprint.questions import ROOT
from blueprint.rendering import isolate_git_and_copier, render, snapshot

README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- tree: [^\n]*-->\n```text\n)(.*?)(```\n<!-- end of tree -->)", re.DOTALL)
# What no file can say of itself, or says too long for one line of a tree.
NOTES = {
    ".github": "CI",
    "config": "base.yaml, and for each environment only what differs",
    "docs": "short pages for the project's own readers",
    "notebooks": "`make notebook`: the test rows and the champion, yours to change",
    "src": "",
    "tests": "mirrors src",
    "Makefile": "`make help` lists its targets",
    "pyproject.toml": "one project, dependency groups by role",
}


def tree(project: Path) -> str:
    """The project as a tree: the root, and the package's modules with their first line."""
    package = next((project / "src").iterdir())
    rows = [(f"{project.name}/", "")]
    for entry in sorted(project.iterdir(), key=lambda path: (path.is_file(), path.name)):
        if entry.name not in NOTES:
            continue
        rows.append((f"├── {entry.name}{'/' if entry.is_dir() else ''}", NOTES[entry.name]))
        if entry.name == "src":
            rows += [(f"│   └── {package.name}/", ""), *_modules(package)]
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:<{width}}{text}".rstrip() + "\n" for name, text in rows)


def _modules(package: Path) -> list[tuple[str, str]]:
    rows = []
    for path in sorted(package.iterdir(), key=lambda path: (path.is_file(), path.name)):
        source = path / "__init__.py" if path.is_dir() else path
        if path.name.startswith("__") or not source.exists() or source.suffix != ".py":
            continue
        said = ast.get_docstring(ast.parse(source.read_text())) or ""
        first = re.split(r"\.\s|\.$", said.partition("\n\n")[0].replace("\n", " "))[0]
        rows.append((f"│       ├── {path.name}{'/' if path.is_dir() else ''}", first))
    return rows


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
