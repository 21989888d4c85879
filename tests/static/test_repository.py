"""What holds for every file of the template's repository."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.questions import ROOT
from support.rendering import tracked_files

TEXTS = {
    path: (ROOT / path).read_text()
    for path in tracked_files()
    if path.suffix not in (".png", ".svg", ".gif", ".ico", ".parquet", ".onnx")
}
# Assembled, so that this file does not hold what it looks for.
LATER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
MACHINE = re.compile(r"(?<![\w.])/(root|home/\w+|work|Users/\w+)/|" + "/tmp" + "/")
INDEX_HOST = re.compile(r"https?://[^\s\"'>)]*/simple\b|--(extra-)?index[-]url|--find[-]links")


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_a_file_names_no_machine_and_leaves_nothing_for_later(path: Path) -> None:
    text = TEXTS[path]
    assert not LATER.search(text)
    assert not INDEX_HOST.search(text)
    assert not MACHINE.search(text)


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_a_file_is_tidy(path: Path) -> None:
    text = TEXTS[path]
    assert "\r" not in text
    if text and path.suffix not in (".txt", ".json") and path.name != "LICENSE":
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert not re.search(r"[ \t]+$", text, re.MULTILINE) or path.suffix in (".md", ".jinja")


def test_the_makefile_installs_the_versions_that_the_groups_pin() -> None:
    pinned = dict(re.findall(r"\b([a-z]+)==([\d.]+)", (ROOT / "Makefile").read_text()))
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted: dict[str, set[str]] = {}
    for requirement in [line for group in groups.values() for line in group]:
        name, _, version = requirement.partition("==")
        assert version, f"{requirement}: not pinned"
        wanted.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in wanted.items() if len(versions) > 1} == {}
    assert wanted["uv"] == {pinned["uv"]}


@pytest.mark.parametrize("path", [".ci/run"])
def test_a_script_passes_shellcheck(path: str) -> None:
    subprocess.run(["shellcheck", path], check=True, cwd=ROOT)


def test_what_is_slow_runs_every_night() -> None:
    nightly = (ROOT / ".github/workflows/nightly.yml").read_text()
    slow = {path.parts[1] for path, text in TEXTS.items() if "pytest.mark.slow" in text}
    assert {"e2e", "manifests", "update"} <= slow - {"static"}
    assert not [each for each in slow - {"static"} if not re.search(rf"make {each}\b", nightly)]
