"""The page `docs/reference/sizes.md`: how large a project with the default answers is.

`python -m tools.sizes` writes it; a test of the renderings holds it up to date, and the sizes to
their ceilings.
"""

import tempfile
from pathlib import Path

from support import rendering
from support.questions import ROOT

PAGE = ROOT / "docs" / "reference" / "sizes.md"
HEAD = """\
# Sizes

What a project with the default answers holds, in lines of Python and in files. A test keeps each
below its ceiling.

<!-- Written by `python -m tools.sizes` from a rendering: not by hand. -->

| part | what it is | size |
|---|---|---|
"""
PARTS = {
    "src/blueprint": "the plumbing, lines",
    "src/<package>": "its owner's code, lines",
    "tests": "its owner's tests, lines",
    "files": "files",
    "module": "the longest module, lines",
}


def measure(project: Path) -> dict[str, int]:
    """The size of each part."""
    plumbing = project / "src" / "blueprint"
    [package] = [path for path in (project / "src").iterdir() if path != plumbing]
    modules = [_lines(path) for path in [*plumbing.rglob("*.py"), *package.rglob("*.py")]]
    return {
        "src/blueprint": sum(map(_lines, plumbing.rglob("*.py"))),
        "src/<package>": sum(map(_lines, package.rglob("*.py"))),
        "tests": sum(map(_lines, (project / "tests").rglob("*.py"))),
        "files": len(rendering.files(project)),
        "module": max(modules),
    }


def page(project: Path) -> str:
    sizes = measure(project)
    rows = [f"| `{part}` | {what} | {sizes[part]:,} |\n" for part, what in PARTS.items()]
    return HEAD + "".join(rows)


def rooms(project: Path) -> dict[str, int]:
    """The lines of each room of the plumbing, the largest first."""
    sizes: dict[str, int] = {}
    plumbing = project / "src" / "blueprint"
    for path in plumbing.rglob("*.py"):
        room = path.relative_to(plumbing).parts[0]
        sizes[room] = sizes.get(room, 0) + _lines(path)
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        rendering.isolate_git_and_copier(folder)
        (folder / "template").mkdir()
        template = rendering.snapshot(folder / "template")
        project = rendering.render(template, folder / "project")
        PAGE.write_text(page(project))
        for room, lines in rooms(project).items():
            print(f"{lines:6} {room}")


if __name__ == "__main__":
    main()
