"""GitHub Actions and GitLab CI call the same make targets, at the same times."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.actions import PULL_REQUEST, PUSH, SCHEDULE, GitHub, fill_in, jobs, load
from support.expressions import evaluate, holds
from support.gitlab import MERGE_REQUEST, Runner

MAKE = re.compile(r"\bmake +\"?([a-z$][\w-]*)")
# Nothing that a change runs registers or deploys: `make debug` is the first three steps.
CHECKS = {"lint", "test", "audit", "debug", "report"}
IMAGES = CHECKS | {"images", "push"}
PIPELINES = IMAGES | {"compile"}  # where there is a cluster
TRACKING = {"TRACKING_URI": "https://mlflow.example.com"}
REGISTRY = {"REGISTRY": "registry.example.com/team"}
SUBMIT = {"SUBMIT": "yes"}
# The one list: what happens, the variables that the owner has set, the platform, the make targets.
WHEN: dict[str, tuple[str, dict[str, str], str, set[str]]] = {
    "a change": ("change", {}, "local", CHECKS),
    "a change, with everything": ("change", TRACKING | REGISTRY, "local", CHECKS),
    "a change, with a cluster": ("change", REGISTRY | SUBMIT, "kubeflow", CHECKS),
    "main of a fork, or before anything is set": ("main", {}, "local", CHECKS),
    "main, with a tracking server": ("main", TRACKING, "local", CHECKS),
    "main, with a place for images": ("main", REGISTRY, "local", IMAGES),
    "main, with a cluster nobody submits to": ("main", REGISTRY, "kubeflow", PIPELINES),
    "main, with a cluster and no place for images": ("main", SUBMIT, "kubeflow", CHECKS),
    "main, with a cluster": ("main", REGISTRY | SUBMIT, "kubeflow", PIPELINES | {"submit"}),
    "main, with a project of Google Cloud nobody submits to": (
        "main",
        REGISTRY,
        "vertex",
        PIPELINES,
    ),
    "main, with Vertex AI": ("main", REGISTRY | SUBMIT, "vertex", PIPELINES | {"submit"}),
    "training again, with Vertex AI": ("retrain", TRACKING | SUBMIT, "vertex", set()),
    "the template": ("upgrade", {}, "local", {"upgrade"}),
    "the template, with a cluster": ("upgrade", SUBMIT, "kubeflow", {"upgrade"}),
    "training again, for nobody": ("retrain", {}, "local", set()),
    "training again, with a tracking server": ("retrain", TRACKING, "local", {"run", "report"}),
    "training again, with a cluster": ("retrain", TRACKING | SUBMIT, "kubeflow", set()),
}
ON_GITHUB = {
    "change": ("ci.yml", PULL_REQUEST),
    "main": ("ci.yml", PUSH),
    "upgrade": ("upgrade.yml", SCHEDULE),
    "retrain": ("retrain.yml", SCHEDULE),
}
MAIN_BRANCH = {"CI_COMMIT_BRANCH": "main"}
ON_GITLAB = {
    "change": MERGE_REQUEST,
    "main": {**MAIN_BRANCH, "CI_PIPELINE_SOURCE": "push"},
    "upgrade": {**MAIN_BRANCH, "CI_PIPELINE_SOURCE": "schedule", "TASK": "upgrade"},
    "retrain": {**MAIN_BRANCH, "CI_PIPELINE_SOURCE": "schedule", "TASK": "retrain"},
}


@pytest.fixture(params=WHEN, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, str], Path, set[str]]:
    event, variables, platform, targets = WHEN[request.param]
    fixture = "both" if platform == "local" else platform
    return event, variables, request.getfixturevalue(fixture), targets


def test_github_calls_these_targets(case: Any, github: GitHub) -> None:
    event, variables, project, targets = case
    workflow, facts = ON_GITHUB[event]
    github.variables = variables
    if not (project / ".github" / "workflows" / workflow).exists():
        assert not targets
        return
    assert {*github_targets(project, workflow, github.contexts(facts))} == targets


def test_gitlab_calls_these_targets(case: Any, gitlab_ci_local: Path) -> None:
    event, variables, project, targets = case
    given = {**ON_GITLAB[event], **variables}
    found = pipeline(project, given)

    assert {target for text in found.values() for target in MAKE.findall(text)} == targets
    # gitlab-ci-local reads the rules too: both see the same jobs.
    listed = Runner(gitlab_ci_local, project).active(**given)
    assert set(listed) == set(found)


def github_targets(project: Path, workflow: str, contexts: dict[str, Any]) -> Iterator[str]:
    for _, job, known in jobs(project, workflow, contexts):
        # As GitHub has it: no step of `steps` is known, so what waits for an output is not run.
        env = {k: fill_in(str(v), {**known, "env": {}}) for k, v in (job.get("env") or {}).items()}
        for step in job["steps"]:
            if holds(step.get("if"), {**known, "env": env}):
                for target in MAKE.findall(step.get("run", "")):
                    named = target.removeprefix("$").lower()
                    yield known["matrix"]["target"] if target.startswith("$") else named


def gitlab_jobs(project: Path) -> dict[str, dict[str, Any]]:
    """The jobs, with what they extend."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(project.glob(".gitlab/ci/*.yml")):
        found |= yaml.safe_load(path.read_text())
    whole = {name: {**found.get(job.get("extends", ""), {}), **job} for name, job in found.items()}
    return {name: job for name, job in whole.items() if not name.startswith(".")}


def pipeline(project: Path, given: dict[str, str]) -> dict[str, str]:
    """The script of every job in a pipeline with these variables, its own variables filled in."""
    known = {"CI_DEFAULT_BRANCH": "main", "CI_SERVER_HOST": "gitlab.example.com", **given}
    scripts = {}
    for name, job in gitlab_jobs(project).items():
        for rule in job["rules"]:
            if evaluate(rule["if"], lambda variable: known.get(variable[1:])):
                own = {**job.get("variables", {}), **rule.get("variables", {})}
                script = "\n".join(job["script"])
                for variable, value in own.items():
                    script = script.replace(f"${variable}", value)
                scripts[name] = script
                break
    return scripts


@pytest.mark.parametrize("platform", ["kubeflow", "vertex"])
def test_production_waits_for_somebody(
    platform: str, gitlab_ci_local: Path, request: pytest.FixtureRequest
) -> None:
    project = request.getfixturevalue(platform)
    listed = Runner(gitlab_ci_local, project).active(**ON_GITLAB["main"], **REGISTRY, **SUBMIT)
    assert (listed["staging"], listed["production"]) == ("on_success", "manual")
    index, leaf = load(project, "ci.yml"), load(project, "submit.yml")
    assert index["jobs"]["production"]["needs"] == "staging"
    # Who approves is said in the environment's rules, which GitHub asks before such a job starts.
    assert leaf["jobs"]["submit"]["environment"] == "${{ inputs.environment }}"


def test_nobody_logs_in_with_a_key_that_stays(both: Path, kubeflow: Path, vertex: Path) -> None:
    """The secrets that there may be: none is a cloud's, a registry's or a cluster's."""
    texts = "".join(
        path.read_text()
        for project in (both, kubeflow, vertex)
        for path in project.rglob("*.yml")
        if ".git" in path.parts[len(project.parts)]
    )
    secrets = set(re.findall(r"secrets\.(\w+)", texts)) | set(re.findall(r"\$(\w+_TOKEN)\b", texts))
    assert secrets - {"GH_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} == {
        "COMMENT_TOKEN",
        "MLFLOW_TRACKING_TOKEN",
        "UPGRADE_TOKEN",
    }


@pytest.mark.parametrize("platform", ["both", "kubeflow", "vertex"])
def test_every_job_may_little_and_ends(platform: str, request: pytest.FixtureRequest) -> None:
    project = request.getfixturevalue(platform)
    for path in (project / ".github" / "workflows").iterdir():
        workflow = load(project, path.name)
        assert workflow["permissions"] == {}, path.name
        for name, job in workflow["jobs"].items():
            assert job["permissions"], f"{path.name}: {name}"
            assert "uses" in job or job["timeout-minutes"], f"{path.name}: {name}"
            for step in job.get("steps", []):
                action = step.get("uses", "@" + "0" * 40)
                assert re.fullmatch(r"[0-9a-f]{40}", action.partition("@")[2]), action
                if action.startswith("actions/checkout"):
                    assert step["with"]["persist-credentials"] is False
    default = yaml.safe_load((project / ".gitlab-ci.yml").read_text())["default"]
    assert {"timeout", "interruptible", "image"} <= default.keys()
    for name, job in gitlab_jobs(project).items():
        if {"images", "push", "submit", "upgrade"} & set(MAKE.findall(" ".join(job["script"]))):
            assert job["interruptible"] is False, name
            assert job["resource_group"], name
