"""Every past release becomes this working tree: `updated(old) == fresh(new)` outside the owners'
edits, without a conflict; and a second update changes nothing.

`make update` tries every scenario with every set of answers; the default run the ones that differ
most.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support import owners, rendering
from support.rendering import commit, git, render
from tools import releases
from tools.matrix import HARD_TEXT
from tools.releases import Release

TABLES = {"task": "tabular-regression", "framework": "xgboost", "data_source": "files"}
# Sets of answers, and the release that first could be given them.
SETS: list[tuple[str, dict[str, Any]]] = [
    ("0.1.0", {}),
    ("0.1.0", {"framework": "sklearn", "data_source": "fashion-mnist", "ci": "none"}),
    (
        "0.1.0",
        {"license": "MIT", "python_version": "3.13", **HARD_TEXT, "project_slug": "a-sorter"},
    ),
    ("0.2.0", TABLES),
    ("0.3.0", {**TABLES, "platform": "kubeflow", "serving_runtime": "bentoml"}),
    ("0.3.0", {"serving_runtime": "tf-serving"}),
    ("0.4.0", {"framework": "sklearn", "ci": "gitlab"}),
    ("0.6.0", {"framework": "sklearn", "platform": "kubeflow", "serving_platform": "kubernetes"}),
    ("0.7.0", {"framework": "sklearn", "observability": True, "drift_monitoring": True}),
    (
        "0.8.0",
        {
            "framework": "sklearn",
            "platform": "kubeflow",
            "cloud": "on-prem",
            "serving_platform": "kserve",
            "gitops": "flux",
        },
    ),
]
# For the default run: each set of answers, most kinds of edit, the first release and the last.
QUICK = {
    ("0.1.0", 1, "everything"),
    ("0.1.0", 2, "rename_package"),
    ("0.2.0", 3, "everything"),
    ("0.3.0", 4, "leave_it"),
    ("0.3.0", 5, "everything"),
    ("0.4.0", 6, "edit_steps"),
    ("0.4.1", 0, "everything"),
    ("0.5.0", 6, "everything"),
    ("0.6.0", 7, "everything"),
    ("0.7.0", 8, "everything"),
    (releases.load()[-1].version, 9, "everything"),
}
CASES = [
    pytest.param(
        release,
        answers,
        scenario,
        id=f"{release.version}-set{number}-{scenario.__name__}",
        marks=() if (release.version, number, scenario.__name__) in QUICK else pytest.mark.slow,
    )
    for release in releases.load()
    for number, (since, answers) in enumerate(SETS)
    if releases.numbers(since) <= releases.numbers(release.version)
    for scenario in [*owners.SCENARIOS, owners.everything]
]


def test_the_default_run_updates_every_release() -> None:
    """As the README says of `make test`."""
    assert {version for version, _, _ in QUICK} == {each.version for each in releases.load()}


@pytest.mark.parametrize(("release", "answers", "scenario"), CASES)
def test_a_release_becomes_this_one(
    release: Release, answers: dict[str, Any], scenario: Any, history: Path, tmp_path: Path
) -> None:
    project = render(history, tmp_path / "a project", ref=release.tag, **answers)
    git(project, "init", "-q", "-b", "main")
    commit(project, "The project")
    expected = scenario(project)
    commit(project, "What its owners did")
    name = owners.package(project).name
    mine = {
        owners.moved(path): owners.imports_moved((project / path).read_text(), name)
        for path in owners.steps(project)
        if path.name != "__init__.py"
    }
    if (project / owners.NOTEBOOK).exists():  # written once; of a release without it, by the update
        mine[owners.NOTEBOOK] = owners.imports_moved((project / owners.NOTEBOOK).read_text(), name)
    for file in owners.ENVIRONMENTS:
        if (project / file).exists():
            mine[file] = (project / file).read_text()
    expected |= dict.fromkeys({owners.NOTEBOOK, *owners.ENVIRONMENTS} & {*mine})

    rendering.update(project, trust=True)
    stored = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert stored["_commit"] == releases.coming()
    left = {*owners.steps(project), *mine}
    assert {path: (project / path).read_text() for path in left} == mine
    fresh = render(history, tmp_path / "fresh", ref=releases.coming(), **owners.answers(project))
    owners.assert_fresh_but(project, fresh, expected)
    owners.assert_steps_fit(project)

    commit(project, "The update")
    rendering.update(project, trust=True)
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "more", [{}, {"serving_platform": "kubernetes"}], ids=["as-it-is", "served"]
)
def test_the_values_of_the_clusters_are_their_owners(
    more: dict[str, Any], history: Path, tmp_path: Path
) -> None:
    """Every line of them is edited on the first day: a merge would conflict with each release."""
    answers = {"framework": "sklearn", "platform": "kubeflow"}
    project = render(history, tmp_path / "a project", ref="v0.5.0", **answers)
    git(project, "init", "-q", "-b", "main")
    written = {}
    for file in owners.ENVIRONMENTS:
        text = (project / file).read_text()
        written[file] = text.replace("example.com", "mine.org").replace("example-bucket", "mine")
        assert written[file] != text
        (project / file).write_text(written[file])
    commit(project, "Our clusters")
    rendering.update(project, **more)
    assert not git(project, "diff", "--name-only", "--diff-filter=U")
    for file, text in written.items():
        assert (project / file).read_text() == text
    assert (project / "deploy").is_dir() == bool(more)
