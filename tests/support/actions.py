"""A job of a GitHub workflow, its steps run in order: `run:` by bash as on GitHub's machines, and
of the actions what they leave behind. GitHub itself, and `gh`, are the outermost edge.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.expressions import fill_in, holds
from support.project import environment

SAME_REPOSITORY = "team/project"
PUSH = {"event_name": "push", "ref": "refs/heads/main", "event": {}}
PULL_REQUEST = {
    "event_name": "pull_request",
    "ref": "refs/pull/7/merge",
    "event": {
        "pull_request": {
            "number": 7,
            "head": {"repo": {"full_name": SAME_REPOSITORY}},
            "user": {"login": "somebody"},
        }
    },
}
FORK = {
    **PULL_REQUEST,
    "event": {
        "pull_request": {
            "number": 8,
            "head": {"repo": {"full_name": "other/project"}},
            "user": {"login": "somebody"},
        }
    },
}
SCHEDULE = {"event_name": "schedule", "ref": "refs/heads/main", "event": {}}


@dataclass(frozen=True)
class Step:
    """A step that was run: what it printed. Of an action, its name without the version."""

    name: str
    output: str


@dataclass
class GitHub:
    """What outlives a job: caches, artifacts, and the repository's variables and secrets.

    `commands` is a folder of programs that come first on the PATH, such as a stand-in for `gh`.
    """

    folder: Path
    commands: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    @property
    def caches(self) -> Path:
        return self.folder / "caches"

    def artifact(self, name: str) -> Path:
        return self.folder / "artifacts" / name

    @property
    def summary(self) -> Path:
        return self.folder / "summary.md"

    def contexts(self, event: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        github = {
            "repository": SAME_REPOSITORY,
            "run_id": str(1000 + self.runs),
            "run_attempt": "1",
            "sha": "c0ffee",
            "token": "the token of the job",
            **event,
        }
        return {"github": github, "vars": self.variables, "secrets": self.secrets, **more}

    def run(
        self,
        project: Path,
        workflow: str,
        job: str,
        event: Mapping[str, Any],
        *,
        check: bool = True,
        **more: Any,
    ) -> list[Step]:
        """Run a job in the project's folder, its clone; `more` are contexts, such as `inputs`.

        Raises AssertionError with the output of a step that fails, unless `check` is off.
        """
        self.runs += 1
        whole = load(project, workflow)
        body = whole["jobs"][job]
        steps: dict[str, Any] = {}
        contexts = self.contexts(event, steps=steps, **more)
        contexts["env"] = {}
        for level in (whole, body):
            for key, value in (level.get("env") or {}).items():
                contexts["env"][key] = fill_in(str(value), contexts)
        assert holds(body.get("if"), contexts), f"{job} is not for this event"
        done = []
        for step in body["steps"]:
            if not holds(step.get("if"), contexts):
                continue
            if "uses" in step:
                given = {k: fill_in(str(v), contexts) for k, v in (step.get("with") or {}).items()}
                name = step["uses"].partition("@")[0]
                self._use(project, name, given)
                done.append(Step(name, ""))
                continue
            variables = {k: fill_in(str(v), contexts) for k, v in (step.get("env") or {}).items()}
            code, output, said = self._bash(
                project, fill_in(step["run"], contexts), {**contexts["env"], **variables}
            )
            steps[step.get("id", "")] = {"outputs": said}
            done.append(Step(step.get("name", step["run"]), output))
            if code:
                assert not check, f"{job}: {done[-1].name}\n{output}"
                break
        return done

    def _bash(
        self, project: Path, script: str, variables: Mapping[str, str]
    ) -> tuple[int, str, dict[str, str]]:
        """Exit code, output, and what was written to $GITHUB_OUTPUT."""
        scratch = self.folder / "runner"
        scratch.mkdir(parents=True, exist_ok=True)
        outputs = scratch / "output"
        outputs.write_text("")
        known = {
            "CI": "true",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_REPOSITORY": SAME_REPOSITORY,
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "RUNNER_TEMP": str(scratch),
        }
        given = environment() | known | dict(variables)
        if self.commands:
            given["PATH"] = f"{self.commands}{os.pathsep}{given['PATH']}"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command,
            cwd=project,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        lines = outputs.read_text().splitlines()
        return done.returncode, done.stdout, dict(line.split("=", 1) for line in lines)

    def _use(self, project: Path, action: str, given: Mapping[str, str]) -> None:
        """What an action does to the folder of the job, and to what outlives it."""
        paths = given.get("path", "").split()
        if action in ("actions/checkout", "astral-sh/setup-uv"):
            return  # the folder is the clone, and uv is there
        if action == "actions/cache/save":
            for name in paths:
                copy(project / name, self.caches / given["key"] / name)
        elif action == "actions/cache/restore":
            prefixes = (given["key"], *given.get("restore-keys", "").split())
            kept = sorted(self.caches.glob("*"), key=lambda path: path.stat().st_mtime)
            found = [path for path in kept if path.name.startswith(prefixes)]
            for name in paths if found else []:
                copy(found[-1] / name, project / name)
        elif action == "actions/upload-artifact":
            files = [file for name in paths for file in project.glob(name)]
            assert files, f"nothing to keep at {paths}"
            for file in files:
                copy(file, self.artifact(given["name"]) / file.name)
        elif action == "actions/download-artifact":
            kept = self.artifact(given["name"])
            assert kept.exists(), f"there is no artifact {given['name']}"
            copy(kept, project / given.get("path", "."))
        else:
            raise AssertionError(f"{action}: say in support/actions.py what it leaves behind")


def load(project: Path, workflow: str) -> dict[str, Any]:
    """A workflow of the project; YAML reads its key `on` as true."""
    return yaml.safe_load((project / ".github" / "workflows" / workflow).read_text())


def jobs(
    project: Path, workflow: str, contexts: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The jobs with steps that a workflow and those it calls run: name, content, contexts.

    A job whose `needs` are not met is not run. A matrix gives a job for each of its targets.
    """
    run = set()
    for name, job in load(project, workflow)["jobs"].items():
        needs = job.get("needs") or []
        needed = {needs} if isinstance(needs, str) else {*needs}
        if not needed <= run or not holds(job.get("if"), contexts):
            continue
        run.add(name)
        if called := job.get("uses"):
            inputs = {k: fill_in(str(v), contexts) for k, v in (job.get("with") or {}).items()}
            leaf = called.removeprefix("$/.github/workflows/")
            yield from jobs(project, leaf, {**contexts, "inputs": inputs})
            continue
        for target in job.get("strategy", {}).get("matrix", {}).get("target", [None]):
            yield name, job, {**contexts, "matrix": {"target": target}}


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
