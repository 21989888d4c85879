"""Migrations change what they are for, and nothing more however often they run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.questions import ROOT
from tools import releases

SCRIPT = ROOT / "hooks" / "migrations.py"
OLD = """\
RUN := uv run
mine:
\t@$(RUN) pytest tests/mine
\t$(RUN) python -m mine
\t@$(if $(RUN),echo "$$RUN")
"""


def migrate(project: Path, version: str) -> None:
    subprocess.run([sys.executable, SCRIPT, version], cwd=project, check=True)


def declared() -> list[str]:
    """The versions that copier.yml runs migrations for."""
    settings = re.sub(r"^!include .*$", "", (ROOT / "copier.yml").read_text(), flags=re.MULTILINE)
    entries = next(
        part["_migrations"]
        for part in yaml.safe_load_all(settings)
        if part and "_migrations" in part
    )
    for entry in entries:
        assert entry["command"][-1] == entry["version"].removeprefix("v")
    return [entry["command"][-1] for entry in entries]


def test_every_migration_is_of_a_release_and_is_called() -> None:
    defined = re.findall(r'"(\d+\.\d+\.\d+)": \[', SCRIPT.read_text())
    known = [release.version for release in releases.load()] + [releases.coming()[1:]]
    assert defined == declared()
    assert set(defined) <= set(known)


@pytest.mark.parametrize("version", declared())
def test_a_project_without_anything_to_migrate_stays_as_it_is(version: str, tmp_path: Path) -> None:
    migrate(tmp_path, version)
    assert not list(tmp_path.iterdir())
    (tmp_path / "Makefile").write_text("all:\n\techo $(RUN)\n")
    migrate(tmp_path, version)
    assert (tmp_path / "Makefile").read_text() == "all:\n\techo $(RUN)\n"


def test_the_tool_has_its_new_name_once(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(OLD)
    for _ in range(2):
        migrate(tmp_path, "0.3.0")
        assert makefile.read_text() == OLD.replace("$(RUN) p", "$(TOOL) p")
