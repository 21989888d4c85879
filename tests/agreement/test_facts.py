"""What several files of a project say, they say alike; and what one names, another has."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import questions
from support.rendering import Renderings, files

CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
MAKE = re.compile(r"(?:^|[\s(])make +((?:[A-Z_]+=\S+ +)*)([a-z][a-z-]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def project(row: dict[str, Any], renderings: Renderings) -> Path:
    return renderings(**row)


def answers(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text())


def pyproject(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text())


def package(project: Path) -> str:
    return answers(project)["project_slug"].replace("-", "_")


def targets(project: Path) -> set[str]:
    text = (project / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def pages(project: Path) -> dict[str, str]:
    """The project's pages, but for the template's changelog, which is of projects of every kind,
    and the report's, which are Jinja of the project's own."""
    return {
        str(path): (project / path).read_text()
        for path in files(project)
        if path.suffix == ".md"
        and path.name != "changes-of-the-template.md"
        and not path.is_relative_to("src/blueprint")
    }


def workflows(project: Path) -> dict[str, str]:
    """What CI reads, by the file's name."""
    names = [".gitlab-ci.yml", ".gitlab/ci/*.yml", ".github/workflows/*.yml"]
    return {str(path): path.read_text() for name in names for path in project.glob(name)}


def test_every_target_is_phony_and_helped(project: Path) -> None:
    text = (project / "Makefile").read_text()
    phony = {
        name for line in re.findall(r"^\.PHONY: (.*)", text, re.MULTILINE) for name in line.split()
    }
    assert phony == targets(project)
    helped = set(re.findall(r"^([a-z][a-z-]*):.*##[+-]? \S", text, re.MULTILINE))
    parts = {name for name in targets(project) if name.startswith("lint-")}
    assert helped == targets(project) - parts, "a target without help is one nobody finds"


def test_every_recipe_is_one_command(project: Path) -> None:
    text = (project / "Makefile").read_text()
    for rule in re.findall(r"^\S.*:(?!=).*\n((?:\t.*\n)+)", text, re.MULTILINE):
        assert len(re.sub(r"\\\n", "", rule).strip().splitlines()) == 1, rule


def test_the_targets_of_the_design_exist(project: Path) -> None:
    every = (
        "setup run serve predict report test lint format models promote rollback notebook ui "
        "images push doctor debug conformance upgrade clean help"
    )
    remote = {"compile", "submit", "schedule", "unschedule", "runs"}
    ground = {"infra-plan", "infra-apply", "infra-destroy", "infra-check", "config"}
    given = answers(project)
    by_answer = {
        "batch": given["batch_scoring"],
        "monitor": given["observability"],
        "columns": given["task"] != "image-classification",
        "drift": given["drift_monitoring"],
        "stack": given["platform"] == "kubeflow",
        **dict.fromkeys(remote, given["platform"] != "local"),
        **dict.fromkeys(ground, given.get("infrastructure") == "terraform"),
        **dict.fromkeys({"deploy", "status"}, given.get("serving_platform", "none") != "none"),
    }
    assert set(every.split()) <= targets(project)
    assert {name for name in by_answer if name in targets(project)} == {
        name for name, has in by_answer.items() if has
    }


def test_the_targets_that_pages_and_workflows_name_exist(project: Path) -> None:
    named: dict[str, set[str]] = {}
    for name, text in pages(project).items():
        for block in CODE.finditer(text):
            for target in MAKE.findall(block[1] or block[2]):
                named.setdefault(target[1], set()).add(name)
    for name, text in workflows(project).items():
        for target in MAKE.findall(text):
            named.setdefault(target[1], set()).add(name)
    assert "README.md" in {name for names in named.values() for name in names}
    missing = {target: names for target, names in named.items() if target not in targets(project)}
    assert not missing


def test_messages_name_targets_that_exist(project: Path) -> None:
    """`make …` in back quotes, in the package's own messages and comments."""
    for path in files(project / "src"):
        if path.suffix != ".py":
            continue
        for target in re.findall(r"`make ([a-z][a-z-]*)", (project / "src" / path).read_text()):
            assert target in targets(project), f"{path}: make {target}"


def test_the_links_and_paths_of_the_pages_exist(project: Path) -> None:
    for name, text in pages(project).items():
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (project / name).parent.joinpath(link).exists(), f"{name}: {link}"
        for path in re.findall(r"`((?:src|tests|config|docs)/[\w./-]+)`", text):
            assert (project / path).exists(), f"{name}: {path}"


def test_the_package_has_one_name(project: Path) -> None:
    assert {path.name for path in (project / "src").iterdir()} == {package(project), "blueprint"}
    others = {"digit_recognition"} - {package(project)}
    for path in files(project):
        text = (project / path).read_text(errors="replace")
        assert not [name for name in others if name in text], path
        for name in re.findall(r"^(?:from|import) ([a-z_]+)", text, re.MULTILINE):
            assert name != "src", path
    for path in files(project / "src" / "blueprint"):
        text = (project / "src" / "blueprint" / path).read_text(errors="replace")
        named = re.search(rf"\b{package(project)}\b", text)
        assert not named, f"the plumbing names its owner: {path}"


def test_the_model_has_one_name(project: Path) -> None:
    slug = answers(project)["project_slug"]
    for text in [*pages(project).values(), *workflows(project).values()]:
        for name in re.findall(r"/v1/models/([a-z0-9-]+)", text):
            assert name == slug
    assert pyproject(project)["project"]["name"] == slug


def test_python_has_one_version(project: Path) -> None:
    version = answers(project)["python_version"]
    lowest = pyproject(project)["project"]["requires-python"]
    assert lowest.startswith(">=3.11")
    for name, text in workflows(project).items():
        for found in re.findall(r"(?i)python(?:-version|_version)?:? *[\"']?(3\.\d+)", text):
            assert found == version, name
    if workflows(project):
        assert any(version in text for text in workflows(project).values())
    for path in files(project):
        if path.is_relative_to("infrastructure"):
            continue  # of a server that stands there, whose Python is its own
        for found in re.findall(
            r"^FROM python:(3\.\d+)", (project / path).read_text(errors="replace"), re.M
        ):
            assert found == version, path
    assert pyproject(project)["tool"]["ruff"]["target-version"] == "py311"


def test_the_port_is_said_once_and_alike(project: Path) -> None:
    port = str(yaml.safe_load((project / "config" / "base.yaml").read_text())["serving"]["port"])
    for name, text in {**pages(project), **workflows(project)}.items():
        for found in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)/v", text):
            assert found == port, name
    code = "".join(
        (project / "src" / path).read_text()
        for path in files(project / "src")
        if path.suffix == ".py"
    )
    assert set(re.findall(r"\bport: \S.*= (\d+)$", code, re.MULTILINE)) <= {port, "5000", "9101"}


def test_the_dependency_groups_that_are_named_exist(project: Path) -> None:
    settings = pyproject(project)
    groups = set(settings["dependency-groups"])
    texts = {"Makefile": (project / "Makefile").read_text(), **workflows(project), **pages(project)}
    for name, text in texts.items():
        for group in re.findall(r"--(?:only-|no-)?group[ =]([\w-]+)", text):
            assert group in groups, f"{name}: {group}"
    assert set(settings["tool"]["uv"].get("default-groups", [])) <= groups


def test_a_dependency_is_wanted_alike_everywhere(project: Path) -> None:
    """A package in two groups has one version range."""
    settings = pyproject(project)
    wanted: dict[str, set[str]] = {}
    groups = [settings["project"]["dependencies"], *settings["dependency-groups"].values()]
    for line in itertools.chain(*groups):
        if isinstance(line, str):
            name = re.split(r"[\[<>=~!; ]", line, maxsplit=1)[0]
            wanted.setdefault(name, set()).add(line.partition(";")[0].strip())
            assert re.search(r"~=|==|<", line), f"{line}: no upper bound"
    assert {name: lines for name, lines in wanted.items() if len(lines) > 1} == {}


def test_the_modules_that_the_contracts_name_exist(project: Path) -> None:
    settings, source = pyproject(project), project / "src"
    for contract in settings["tool"]["importlinter"]["contracts"]:
        for key in ("source_modules", "forbidden_modules", "modules"):
            for module in contract.get(key, []):
                if module.startswith((package(project), "blueprint")):
                    path = source.joinpath(*module.removesuffix(".*").split("."))
                    assert path.is_dir() or path.with_suffix(".py").exists(), module


def test_the_installed_tools_are_the_ones_that_check_the_template(project: Path) -> None:
    """Rendering is linted with the ruff that the project itself asks for, or nearly."""
    ours = tomllib.loads((questions.ROOT / "pyproject.toml").read_text())["dependency-groups"][
        "tests"
    ]
    theirs = pyproject(project)["dependency-groups"]["dev"]
    minor = {
        re.search(r"(\d+\.\d+)", line)[1] for line in [*ours, *theirs] if line.startswith("ruff")
    }  # type: ignore[index]
    assert len(minor) == 1


def test_the_data_source_is_the_answer(project: Path) -> None:
    base = yaml.safe_load((project / "config" / "base.yaml").read_text())
    assert base["data"]["source"] == answers(project)["data_source"]


def test_a_step_has_one_name_in_its_folders(project: Path) -> None:
    """`train.py` has its component `train_model`, which is in the graph, and its test."""
    source = project / "src" / package(project)
    graph = (source / "pipeline.py").read_text()
    components = {path.stem: path for path in (source / "components").glob("[a-z]*.py")}
    for step, name in (("data", "load_data"), ("train", "train_model")):
        assert f"from {package(project)}.{step} import {name}" in components[name].read_text()
        assert f"def {name}(" in (source / f"{step}.py").read_text()
        assert (project / "tests" / f"test_{step}.py").exists()
        assert f"{name}(" in graph


def test_the_page_for_coding_agents_names_what_there_is(project: Path) -> None:
    text = (project / "AGENTS.md").read_text()
    assert len(text.splitlines()) <= 40
    for path in re.findall(r"`((?:src|tests|config)/[\w./-]+)`", text):
        assert (project / path).exists(), path
