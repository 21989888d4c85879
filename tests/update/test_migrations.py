"""Migrations change what they are for, and nothing more however often they run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.questions import ROOT
from support.rendering import commit, git
from tools import releases

SCRIPT = ROOT / "hooks" / "migrations.py"
OLD = """\
RUN := uv run
mine:
\t@$(RUN) pytest tests/mine
\t$(RUN) python -m mine
\t@$(if $(RUN),echo "$$RUN")
"""


def migrate(project: Path, version: str, stage: str = "after") -> str:
    """Run what Copier runs; returns what it printed."""
    command = [sys.executable, SCRIPT, version, stage]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


def declared() -> list[str]:
    """The versions that copier.yml runs migrations for."""
    settings = re.sub(r"^!include .*$", "", (ROOT / "copier.yml").read_text(), flags=re.MULTILINE)
    entries = next(
        part["_migrations"]
        for part in yaml.safe_load_all(settings)
        if part and "_migrations" in part
    )
    for entry in entries:
        assert entry["when"] is True, "before and after: the script knows what is when"
        assert entry["command"][-2:] == [entry["version"].removeprefix("v"), "{{ _stage }}"]
    return [entry["command"][-2] for entry in entries]


def test_every_migration_is_of_a_release_and_is_called() -> None:
    defined = sorted({*re.findall(r'"(\d+\.\d+\.\d+)": \[', SCRIPT.read_text())})
    known = [release.version for release in releases.load()] + [releases.coming()[1:]]
    assert defined == declared()
    assert set(defined) <= set(known)


@pytest.mark.parametrize("version", declared())
def test_a_project_without_anything_to_migrate_stays_as_it_is(version: str, tmp_path: Path) -> None:
    for stage in ("before", "after"):
        migrate(tmp_path, version, stage)
    assert not list(tmp_path.iterdir())
    (tmp_path / "Makefile").write_text("all:\n\techo $(RUN)\n")
    for stage in ("before", "after"):
        migrate(tmp_path, version, stage)
    assert (tmp_path / "Makefile").read_text() == "all:\n\techo $(RUN)\n"


def test_the_tool_has_its_new_name_once(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(OLD)
    for _ in range(2):
        migrate(tmp_path, "0.3.0")
        assert makefile.read_text() == OLD.replace("$(RUN) p", "$(TOOL) p")


ANSWERS = "_commit: v0.4.1\n_src_path: somewhere\nproject_slug: a-sorter\n"
OLD_FILES = {
    ".copier-answers.yml": ANSWERS,
    ".gitignore": "build/\n__pycache__/\n",
    "Makefile": "mine:\n\t@$(TOOL) python -m a_sorter.cli run\n",
    "config/base.yaml": "data: {source: sql}\nbatch: {part_rows: 7}\n",
    "src/a_sorter/__init__.py": "",
    "src/a_sorter/drawing.py": "X = 1\n",
    "src/a_sorter/mine.py": "from .store import current\nfrom .steps.my_model import fit\n",
    "src/a_sorter/steps/__init__.py": f'"""{"Your code: what the data is and how the model is"} '
    'trained. Template updates never touch it."""\n',
    "src/a_sorter/steps/data.py": "import numpy\n\nfrom .. import settings\n",
    "src/a_sorter/steps/my_model.py": "from ..data import Dataset\nfrom .data import load_data\n"
    "from .parts.layers import Layer\nfrom a_sorter.steps.data import x\n"
    "import a_sorter.tracking\n",
    "src/a_sorter/steps/parts/layers.py": "from ..data import load_data\n"
    "from ...data import Dataset\n",
    "tests/steps/test_train.py": "from a_sorter.steps.my_model import fit\n",
    "tests/test_mine.py": "from a_sorter.data.sources import (\n    read,\n)\n"
    "from .other import b\n",
    "notebooks/explore.py": "    from a_sorter.notebook import champion\n",
}
NEW_FILES = {
    "src/a_sorter/mine.py": "from blueprint.registry.store import current\n"
    "from a_sorter.my_model import fit\n",
    "src/a_sorter/data.py": "import numpy\n\nfrom blueprint import settings\n",
    "src/a_sorter/my_model.py": "from blueprint.data import Dataset\nfrom .data import load_data\n"
    "from .parts.layers import Layer\nfrom a_sorter.data import x\n"
    "import blueprint.registry.client\n",
    "src/a_sorter/parts/layers.py": "from a_sorter.data import load_data\n"
    "from blueprint.data import Dataset\n",
    "tests/test_train.py": "from a_sorter.my_model import fit\n",
    "tests/test_mine.py": "from blueprint.data.sources import (\n    read,\n)\n"
    "from .other import b\n",
    "notebooks/explore.py": "    from blueprint.notebook import champion\n",
    "Makefile": "mine:\n\t@$(TOOL) python -m blueprint.cli run\n",
}


def test_what_owners_wrote_moves_to_two_packages(tmp_path: Path) -> None:
    """Edited, deleted (train.py) and renamed (my_model.py) files, twice in a row."""
    for name, text in OLD_FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "The project")
    (tmp_path / "src/a_sorter/drawing.py").write_text("X = 2\n")
    (tmp_path / "src/a_sorter/steps/__pycache__").mkdir()
    commit(tmp_path, "My edit")

    said = migrate(tmp_path, "0.5.0", "before")
    assert "you had changed src/a_sorter/drawing.py" in said
    assert "+X = 2" in (tmp_path / "build/edits-before-0.5.0.patch").read_text()
    answers = yaml.safe_load((tmp_path / ".copier-answers.yml").read_text())
    assert answers == {
        **yaml.safe_load(ANSWERS),
        "batch_scoring": True,
        "data_source": "sql",
    }
    (tmp_path / "src/a_sorter/drawing.py").unlink()  # as the update does
    for _ in range(2):
        migrate(tmp_path, "0.5.0", "after")
        for name, text in NEW_FILES.items():
            assert (tmp_path / name).read_text() == text, name
        assert not (tmp_path / "src/a_sorter/steps").exists()
        assert not (tmp_path / "tests/steps").exists()
        assert not (tmp_path / "src/a_sorter/train.py").exists()
