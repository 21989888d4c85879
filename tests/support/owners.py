"""What the owners of a project do to it between two upgrades, and how to compare the outcome."""

import ast
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template

from support.questions import ROOT
from support.rendering import files

# Every release has the same lines around this one: an edit beside a change would be a conflict.
UV_RULE = ".tools/bin/uv:\n"
MY_TARGET = ".PHONY: mine\nmine: ## my own target\n\t@echo mine\n\n"
MY_NOTICE = "Mine.\n"
MY_LINE = "/my-data/\n"
NOTEBOOK = Path("notebooks/explore.py")
OWN = ("data.py", "train.py", "my_features.py")
# Values of the owner's clusters: an update writes them where they are not there.
ENVIRONMENTS = (Path("config/staging.yaml"), Path("config/production.yaml"))
DELETED = ("docs/architecture.md", ".pre-commit-config.yaml")


def answers(project: Path) -> dict[str, Any]:
    """What was asked and answered, without Copier's own keys."""
    stored = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return {key: value for key, value in stored.items() if not key.startswith("_")}


def package(project: Path) -> Path:
    return Path("src") / answers(project)["project_slug"].replace("-", "_")


def steps(project: Path) -> list[Path]:
    """The owners' own files: data, training and their tests, whoever wrote them; before 0.5.0 all
    in folders called steps."""
    home = package(project)
    own = {home / name for name in OWN} | {Path("tests") / f"test_{name}" for name in OWN}
    return [path for path in files(project) if "steps" in path.parts or path in own]


def moved(path: Path) -> Path:
    """Where an owner's file of before 0.5.0 is now."""
    return Path(*(part for part in path.parts if part != "steps"))


def imports_moved(text: str, name: str) -> str:
    """The text of an owner's file, with its imports as of 0.5.0."""
    for module in ("data", "settings", "notebook"):
        text = text.replace(f"from ..{module} import", f"from blueprint.{module} import")
        text = re.sub(rf"from {name}\.{module}\b", f"from blueprint.{module}", text)
    return text.replace(f"from {name}.steps.", f"from {name}.")


def contents(project: Path) -> dict[Path, str]:
    """Every file but git's own."""
    return {
        path: (project / path).read_text(errors="replace")
        for path in files(project)
        if path.parts[0] != ".git"
    }


# What owners do. Each returns what a fresh project must be changed by, to be equal: file → function
# of its text; None for a file that is theirs alone or gone.
Expected = dict[Path, Callable[[str], str] | None]


def leave_it(project: Path) -> Expected:
    return {}


def edit_steps(project: Path) -> Expected:
    """A model of their own, and a file beside it."""
    train = next(project / path for path in steps(project) if path.name == "train.py")
    train.write_text(train.read_text().replace("seed: int = 1", "seed: int = 2") + "\n\n# Mine.\n")
    (train.parent / "my_features.py").write_text('"""My own features."""\n')
    return {}


def edit_plumbing(project: Path) -> Expected:
    """A make target, a notice, an ignored folder, another port."""
    edits: Expected = {
        Path("Makefile"): lambda text: text.replace(UV_RULE, MY_TARGET + UV_RULE),
        Path("LICENSE"): lambda text: text + MY_NOTICE,
        Path(".gitignore"): lambda text: MY_LINE + text,
        Path("config/base.yaml"): lambda text: text.replace("port: 8080", "port: 9090"),
    }
    for path, edit in edits.items():
        before = (project / path).read_text()
        (project / path).write_text(edit(before))
        assert edit(before) != before, path
    own = Path("src") / "own_tool.py"
    (project / own).write_text('"""A module beside the package."""\n')
    return {**edits, own: None}


def delete_files(project: Path) -> Expected:
    for name in DELETED:
        (project / name).unlink()
    return {Path(name): None for name in DELETED}


def rename_package(project: Path) -> Expected:
    """By the commands of the project's own page: docs/upgrades.md."""
    page = (ROOT / "template/docs/upgrades.md.jinja").read_text()  # an old project has none
    names = {"package_name": package(project).name, **answers(project)}
    section = Template(page).render(names).partition("## Rename the package")[2]
    commands = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]  # type: ignore[index]
    commands = commands.partition("make ")[0]
    old, shown = names["package_name"], Path("docs/upgrades.md")
    subprocess.run(["bash", "-euc", commands], cwd=project, check=True)
    new = package(project).name
    pairs = [(old, new), (old.replace("_", "-"), new.replace("_", "-"))]

    def still_old(text: str) -> str:
        """The page's own patterns keep the names: behind the `b` of `\\b` no word begins."""
        for before, after in pairs:
            text = text.replace(rf"s/\b{after}\b/", rf"s/\b{before}\b/")
        return text

    return {shown: still_old} if (project / shown).exists() else {}


SCENARIOS = [leave_it, edit_steps, edit_plumbing, delete_files, rename_package]


def everything(project: Path) -> Expected:
    """All of the above but the renaming."""
    return {
        path: edit
        for scenario in (edit_steps, edit_plumbing, delete_files)
        for path, edit in scenario(project).items()
    }


def assert_fresh_but(project: Path, fresh: Path, expected: Expected) -> None:
    """The project is the fresh one, but for its steps and what its owners did."""
    left, right = contents(project), contents(fresh)
    for path in {*steps(project), *steps(fresh), *(p for p, edit in expected.items() if not edit)}:
        left.pop(path, None)
        right.pop(path, None)
    assert sorted(left) == sorted(right)
    for path, text in right.items():
        edit = expected.get(path)
        assert left[path] == (edit(text) if edit else text), path


def assert_steps_fit(project: Path) -> None:
    """The owners' files, as old as they are, find what they ask the plumbing for, and the plumbing
    asks nothing of them that they have not: read from the source, nothing is installed."""
    source = project / package(project)
    train = ast.parse((source / "train.py").read_text())
    [function] = [
        node
        for node in train.body
        if isinstance(node, ast.FunctionDef) and node.name == "train_model"
    ]
    known = {argument.arg for argument in function.args.kwonlyargs}
    configured = yaml.safe_load((project / "config" / "base.yaml").read_text())["train"]
    assert configured.keys() <= known, "config/base.yaml names what the owners' train_model lacks"
    for path in (project / p for p in steps(project) if p.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                (source.name, "blueprint")
            ):
                home = project / "src" / Path(*node.module.split("."))  # type: ignore[union-attr]
                module = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
                for alias in node.names:
                    assert (home / f"{alias.name}.py").exists() or re.search(
                        rf"\b{alias.name}\b", module.read_text()
                    ), f"{path.name}: {node.module}.{alias.name}"
    shared = (project / "tests" / "conftest.py").read_text()
    for path in (project / "tests").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for argument in node.args.args:
                    own = f"def {argument.arg}(" in path.read_text()
                    builtin = argument.arg in ("tmp_path", "monkeypatch", "capsys", "request")
                    given = re.search(rf"^(def {argument.arg}\(|{argument.arg} = )", shared, re.M)
                    assert own or builtin or given, f"{path.name}: no fixture {argument.arg}"
