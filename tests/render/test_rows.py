"""Every pair of answers renders to a project whose files parse, pass their linters and hold no
leftovers, whose make targets are sound and whose dependencies resolve. The rows are derived from
the questions (`tools.matrix`), so a new choice is tested without a word here.
"""

import hashlib
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from support import questions
from support.project import environment
from support.rendering import Renderings, files, tracked_files
from tools import matrix, names

# The package is read where it lies.
MORE = {"PYTHONPATH": "src"}
BINARY = (".png", ".gif", ".ico", ".parquet", ".onnx")
# The compiled pipelines: they hold KFP's braces and Python.
GOLDEN = ("/pipelines/training.yaml", "/pipelines/batch_prediction.yaml", "tests/graph.txt")
CODE = re.compile(r"^```python\n.*?^```$", re.DOTALL | re.MULTILINE)
PLACEHOLDERS = re.compile(r"\bNone\b|\bUndefined\b")
HOLDS_TEXTS = (".copier-answers.yml", "README.md", "LICENSE", "pyproject.toml")
NAMES_COPIER = (".copier-answers.yml", "Makefile", "README.md", "LICENSE", "docs/")


class UniqueKeys(yaml.SafeLoader):
    """A YAML loader that refuses a key written twice."""


def _mapping(loader: UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise yaml.YAMLError(f"key written twice: {twice[0]} {node.start_mark}")
    return loader.construct_mapping(node, deep=True)


UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@pytest.fixture(scope="module")
def project(row: dict[str, Any], renderings: Renderings) -> Path:
    return renderings(**row)


def texts(project: Path) -> dict[str, str]:
    return {
        str(path): (project / path).read_text()
        for path in files(project)
        if path.suffix not in BINARY
    }


def run(project: Path, *command: str) -> str:
    """What a command says in a project; it must succeed."""
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, env=environment() | MORE
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(command)}\n{said}"
    return said


def digest(project: Path, *suffixes: str) -> str:
    """Of the names and the bytes of its files that end so."""
    found = hashlib.sha256()
    for path in files(project):
        if path.name.endswith(suffixes):
            found.update(f"{path}\0".encode() + (project / path).read_bytes())
    return found.hexdigest()


def first(check: str, what: str) -> bool:
    """Whether a check sees this for the first time here: what is equal is checked once."""
    known = _seen.setdefault(check, set())
    return what not in known and not known.add(what)


_seen: dict[str, set[str]] = {}


def test_longest_slug_is_the_longest() -> None:
    assert len(matrix.LONGEST_SLUG) == 40


def test_no_text_of_prometheus_or_grafana_is_jinja() -> None:
    """Their braces are theirs: what is rendered nowhere can leave nothing of the template."""
    folder = re.compile(r"template/{%[^/]*%}monitoring{% endif %}/")
    watching = [path for path in tracked_files() if folder.match(path.as_posix())]
    assert watching
    assert not [path for path in watching if path.suffix == ".jinja"]


def test_nothing_of_the_template_is_left(
    row: dict[str, Any], project: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("row", row)  # for the summary of what was covered
    for name, text in texts(project).items():
        assert not re.search(r"\{[{%]|[%}]\}|\.jinja", name), name
        if name.startswith("src/blueprint/") and not name.endswith(".py"):
            continue  # the project's own Jinja templates
        own = re.sub(r"(?s)\$\{\{.*?\}\}", "", text) if name.startswith(".github/") else text
        if row == matrix.HARD_TEXT and name in HOLDS_TEXTS:
            continue  # braces that were answered
        for leftover in ("{%", "%}", "{{", "[[ ", "_copier_", ".jinja"):
            if leftover == "{{" and name.startswith("monitoring/"):
                continue  # what Prometheus and Grafana fill in; none of these files is Jinja
            if leftover in ("{{", "%}") and name.endswith((".py", *GOLDEN)):
                continue  # an f-string writes a brace as two, a share as {x:.1%}; KFP {{$.inputs}}
            assert leftover not in own, f"{name}: {leftover}"
        if not name.startswith(NAMES_COPIER) and not name.endswith("/upgrade.py"):
            own = text.replace('  "copier.*",\n', "")  # mypy is told that it has no types here
            assert "copier" not in own.lower(), f"{name} names Copier"
        if not name.endswith((".py", ".txt", *GOLDEN)):
            prose = CODE.sub("", text).replace("--condition=None", "")  # gcloud's own word
            assert not PLACEHOLDERS.search(prose), f"{name}: {PLACEHOLDERS.search(prose)}"


def test_a_python_file_holds_no_template_syntax(project: Path) -> None:
    for name, text in texts(project).items():
        if name.endswith(".py"):
            assert not re.search(r"\{\{ ?\w+ ?\}\}", text), name


def test_every_file_ends_as_a_file_should(project: Path) -> None:
    for name, text in texts(project).items():
        if text:
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert not text.startswith("\n") or name == "LICENSE", name
            assert "\n\n\n\n" not in text, name


def test_every_structured_file_parses(project: Path) -> None:
    for name, text in texts(project).items():
        if name.endswith((".yml", ".yaml")):
            list(yaml.load_all(text, UniqueKeys))
        elif name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".py"):
            compile(text, name, "exec")


def test_the_metadata_says_what_was_answered(row: dict[str, Any], project: Path) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert metadata["name"] == answers["project_slug"]
    assert metadata["description"] == answers["description"]
    assert metadata["authors"] == [
        {"name": answers["author_name"], "email": answers["author_email"]}
    ]
    # What these answers do not lead to is not recorded, and has its default in a row.
    first = {key: values[0] for key, values in questions.axes().items()}
    assert all(answers.get(key, first.get(key)) == value for key, value in row.items())
    derived = {key for key, question in questions.load().items() if not question.asked}
    assert not derived & answers.keys()


def test_the_readme_shows_the_texts_as_they_were_answered(project: Path) -> None:
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    tokens = MarkdownIt("commonmark").parse((project / "README.md").read_text())
    shown = [each.children or [] for each in tokens if each.type == "inline"][:2]
    assert [token.tag for token in tokens if token.type.endswith("_open")][:2] == ["h1", "p"]
    for key, parts in zip(("project_name", "description"), shown, strict=True):
        assert {part.type for part in parts} <= {"text", "text_special"}
        assert "".join(part.content for part in parts) == answers[key]


def test_every_make_target_is_sound(project: Path) -> None:
    text = (project / "Makefile").read_text()
    named = [
        name for line in re.findall(r"^\.PHONY: (.*)", text, re.MULTILINE) for name in line.split()
    ]
    assert "help" in named
    said = run(project, "make", "--dry-run", "--warn-undefined-variables", *named)
    assert "warning: undefined variable" not in said


def test_help_fits_a_terminal(project: Path) -> None:
    """80 columns and 24 lines, of which the prompt takes one; a space between names and text."""
    lines = run(project, "make", "help").splitlines()
    assert len(lines) <= 23
    assert all(len(line) <= 80 and line[33] == " " != line[34] for line in lines), lines


def test_formatting_and_linting_change_nothing(project: Path) -> None:
    if first("style", digest(project, ".py", ".toml")):
        run(project, "ruff", "format", "--check", "--no-cache", ".")
        run(project, "ruff", "check", "--no-cache", ".")


def test_the_import_contracts_are_kept(project: Path) -> None:
    """They are read from the source, so nothing needs to be installed."""
    if first("contracts", digest(project, ".py", ".toml")):
        said = run(project, "lint-imports", "--no-logo", "--no-cache")
        assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", said), said


def test_the_dependencies_resolve(project: Path, tmp_path: Path) -> None:
    text = (project / "pyproject.toml").read_text()
    settings = tomllib.loads(text)
    wanted = [settings["project"]["requires-python"], settings["project"]["dependencies"]]
    wanted += [settings["dependency-groups"], settings["tool"]["uv"]]
    if first("dependencies", json.dumps(wanted)):
        (tmp_path / "pyproject.toml").write_text(text)
        run(tmp_path, "uv", "lock", "--quiet")
        taken = names.locked(tmp_path) | names.own(project)
        assert not taken - names.known(), "write them down: nox -s names"


def test_what_ci_reads_is_sound(row: dict[str, Any], project: Path) -> None:
    """Schemas, and each checker that knows its platform; what it means is tested in tests/ci."""
    answer = row.get("ci", "github")
    github = sorted(str(path) for path in project.glob(".github/workflows/*"))
    gitlab = sorted(
        str(path) for name in (".gitlab-ci.yml", ".gitlab/**/*.yml") for path in project.glob(name)
    )
    assert (bool(github), bool(gitlab)) == (answer == "github", answer == "gitlab")
    contents = "".join(Path(path).read_text() for path in [*github, *gitlab])
    if not first("workflows", contents):
        return
    if github:
        run(project, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *github)
        run(project, "zizmor", "--offline", "--quiet", "--no-progress", str(project / ".github"))
        run(project, "actionlint", *github)
    if gitlab:
        schema = ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
        run(project, "check-jsonschema", *schema, *gitlab)
    if github or gitlab:
        run(
            project,
            "yamllint",
            "--strict",
            "-c",
            str(questions.ROOT / ".yamllint.yml"),
            *github,
            *gitlab,
        )


def test_shell_scripts_pass_shellcheck(project: Path) -> None:
    found = {n: text for n, text in texts(project).items() if re.match(r"#!.*\b(ba)?sh\b", text)}
    scripts = [name for name, text in found.items() if first("shell", text)]
    if scripts:
        run(project, "shellcheck", *scripts)


def test_dockerfiles_pass_hadolint(project: Path) -> None:
    dockerfiles = [str(path) for path in files(project) if path.suffix == ".Dockerfile"]
    assert len(dockerfiles) >= 2
    if first("dockerfiles", "".join((project / path).read_text() for path in dockerfiles)):
        run(project, "hadolint", *dockerfiles)


def test_an_executable_is_a_script_and_a_script_executable(project: Path) -> None:
    for name, text in texts(project).items():
        assert text.startswith("#!") == os.access(project / name, os.X_OK), name
