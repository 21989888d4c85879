"""Projects made from the working tree."""

from pathlib import Path
from typing import Any

from support import rendering
from support.project import Project


def made(template: Path, folder: Path, **answers: Any) -> Project:
    """A project from the working tree, committed and set up."""
    project = Project(rendering.render(template, folder, **answers))
    rendering.git(project.path, "init", "-q", "-b", "main")
    rendering.commit(project.path, "The project as it was generated")
    project.make("setup", timeout=900)
    return project
