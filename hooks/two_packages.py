"""0.5.0: the owner's code in src/<package>/, the plumbing in src/blueprint/.

What was `src/<package>/steps/train.py` is `src/<package>/train.py`, its tests are in tests/, and
what the owner's modules import of the plumbing is imported from `blueprint`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ANSWERS = Path(".copier-answers.yml")
PATCH = Path("build/edits-before-0.5.0.patch")
# The plumbing's modules as they were, in src/<package>/, and where those are that moved.
PLUMBING = (
    *("batch", "card", "cli", "cluster", "data", "doctor", "drawing", "errors", "evaluation"),
    *("export", "gate", "logins", "model", "notebook", "pipelines", "predict", "progress"),
    *("registration", "registry_check", "registry_connection", "registry_errors", "sbom"),
    *("serving", "settings", "store", "targets", "tracking", "training", "upgrade"),
)
MOVED = {
    "batch.places": "data.storage",
    "card": "evaluation.report",
    "cluster": "targets.kubeflow.commands",
    "data.columns": "data.features",
    "data.findings": "data.rules",
    "data.slices": "data.dataset",
    "data.streams": "data.frames",
    "drawing": "predict",
    "evaluation.overlap": "evaluation.evidence",
    "export.errors": "export",
    "export.family": "export.native",
    "export.pyfunc": "export.fallback",
    "registration": "registry.registration",
    "registry_check": "registry.check",
    "registry_connection": "registry.connection",
    "registry_errors": "registry.connection",
    "sbom": "registry.registration",
    "store": "registry.store",
    "targets.batch": "batch.target",
    "targets.compile": "targets.compiling",
    "targets.in_service": "registry.in_service",
    "targets.models": "registry.models",
    "targets.pods": "targets.kubeflow.pods",
    "targets.promotion": "registry.promotion",
    "targets.runs": "runs",
    "targets.stack": "targets.stack.stack",
    "targets.ui": "registry.ui",
    "tracking": "registry.client",
    "training": "export.train",
}
FROM = re.compile(r"^(\s*from )(\.*)([\w.]*)( import )(.*)$", re.MULTILINE)
IMPORT = re.compile(r"^(\s*import )([\w.]+)(.*)$", re.MULTILINE)
INIT = "Your code: what the data is and how the model is trained. Template updates never touch it."


def package(project: Path) -> str:
    """The name of the project's package, "" where there is no project."""
    answers = project / ANSWERS
    slug = (
        (yaml.safe_load(answers.read_text()) or {}).get("project_slug") if answers.exists() else ""
    )
    return str(slug or "").replace("-", "_")


def answer_what_is_used(project: Path) -> None:
    """Code that was in every project comes with an answer now: give it where it is in use."""
    if not (project / ANSWERS).exists():
        return
    text = (project / ANSWERS).read_text()
    answers = yaml.safe_load(text)
    for key, value in dict(_in_use(project)).items():
        if answers.get(key) != value:
            kept = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
            text = "\n".join([*kept, yaml.safe_dump({key: value}).strip(), ""])
    (project / ANSWERS).write_text(text)


def _in_use(project: Path) -> Iterator[tuple[str, Any]]:
    """Answers that follow from the configuration."""
    for path in sorted((project / "config").glob("*.yaml")):
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except yaml.YAMLError:
            continue
        if not isinstance(content, dict):
            continue
        if content.get("batch"):
            yield "batch_scoring", True
        if (content.get("data") or {}).get("source") in ("sql", "fashion-mnist"):
            yield "data_source", content["data"]["source"]
        if (content.get("serving") or {}).get("batching"):
            yield "serving_extras", "batching"


def keep_edits(project: Path) -> None:
    """The plumbing moves, so edits of it cannot be merged: keep them as a patch, and say so."""
    name = package(project)
    if not (project / "src" / name / "steps").is_dir():
        return
    since = _git(project, "log", "-1", "--format=%H", "-G^_commit:", "--", str(ANSWERS)).strip()
    places = ["--relative", "--", f"src/{name}", f":(exclude)src/{name}/steps"]
    edits = _git(project, "diff", "--diff-filter=M", since, "HEAD", *places) if since else ""
    if edits:
        files = re.findall(r"^\+\+\+ b/(.*)$", edits, re.MULTILINE)
        (project / PATCH).parent.mkdir(exist_ok=True)
        (project / PATCH).write_text(edits)
        print(
            f"The plumbing moves from src/{name}/ to src/blueprint/, and you had changed "
            f"{', '.join(files)}: your changes are in {PATCH}, add to src/blueprint/ what you need."
        )


def _git(project: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", *command], cwd=project, capture_output=True, text=True, check=False
    )
    return done.stdout


def move(project: Path) -> None:
    """Move the owner's modules and tests, and change what they import."""
    name = package(project)
    home = project / "src" / name
    steps, tests = home / "steps", project / "tests" / "steps"
    if not name or not (steps.is_dir() or tests.is_dir()):
        return
    for folder in sorted(home.glob("**/__pycache__")):
        shutil.rmtree(folder)
    for folder in sorted((p for p in home.glob("**/") if p != home), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    init = steps / "__init__.py"
    if init.exists() and init.read_text().strip() == f'"""{INIT}"""':
        init.unlink()
    for path in _untouched(project):
        if path.is_relative_to(home):
            _rewrite(path, name, path.relative_to(home).parent.parts)
        else:
            _rewrite(path, name, None)
    for folder, target in ((steps, home), (tests, project / "tests")):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not (target / path.name).exists():
                path.rename(target / path.name)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    makefile = project / "Makefile"
    if makefile.exists():
        makefile.write_text(makefile.read_text().replace(f"-m {name}.cli", "-m blueprint.cli"))


def _untouched(project: Path) -> Iterator[Path]:
    """The modules that the update left as they were: their owner's."""
    changed = set(_git(project, "diff", "--relative", "--name-only", "-z", "HEAD").split("\0"))
    for name in _git(project, "ls-files", "-z", "--", "*.py").split("\0"):
        if name and name not in changed and (project / name).exists():
            yield project / name


def _rewrite(path: Path, name: str, where: tuple[str, ...] | None) -> None:
    """Change the imports of a module in the folder `where` of the package; None is outside it."""

    def from_(match: re.Match[str]) -> str:
        begin, dots, module, middle, names = match.groups()
        if dots:
            if where is None or len(dots) > len(where) + 1 or (where and len(dots) == 1):
                return match[0]  # a module beside it, which moves along
            above = where[: len(where) - len(dots) + 1]
            full = ".".join((name, *above, *module.split("."))).rstrip(".")
        else:
            full = module
        if full == name:  # from package import settings
            first = re.split(r"[\s,(]", names.strip())[0]
            new = _new(f"{name}.{first}", name)
            return f"{begin}{new.rpartition('.')[0]}{middle}{names}"
        return f"{begin}{_new(full, name)}{middle}{names}" if _new(full, name) != full else match[0]

    text = path.read_text()
    new = FROM.sub(from_, text)
    new = IMPORT.sub(lambda m: f"{m[1]}{_new(m[2], name)}{m[3]}", new)
    if new != text:
        path.write_text(new)


def _new(module: str, name: str) -> str:
    """The full name of a module, from what it was."""
    first, _, rest = module.partition(".")
    if first != name or not rest:
        return module
    if rest.split(".")[0] == "steps":
        return f"{name}{rest.removeprefix('steps')}"
    if rest.split(".")[0] not in PLUMBING:
        return module
    for old, new in MOVED.items():
        if rest == old or rest.startswith(f"{old}."):
            return f"blueprint.{new}{rest.removeprefix(old)}"
    return f"blueprint.{rest}"
