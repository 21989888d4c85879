"""The tests of the plumbing, which come along where `plumbing_tests` is answered: all of them in
the default project, and what that has not where it is (test_models.py has the other frameworks').
"""

import pytest

from support import plumbing
from support.project import Project
from support.rendering import Renderings

OTHERS = ("tf_project", "other_project", "kserve_project")
ON_A_CLUSTER = {
    "platform": "kubeflow",
    "serving_platform": "kubernetes",
    "serving_extras": "both",
}


def test_all_of_them_pass_in_the_default_project(plumbed_project: Project) -> None:
    plumbed_project.make("lint")
    runs = [f"--ignore={plumbing.FOLDER / file}" for file in sorted(plumbing.RUNS)]
    plumbed_project.make("test", f"ARGS=-q tests/blueprint {' '.join(runs)}", timeout=1800)


@pytest.mark.slow
def test_so_do_those_that_run_a_pipeline(plumbed_project: Project) -> None:
    runs = [str(plumbing.FOLDER / file) for file in sorted(plumbing.RUNS)]
    plumbed_project.make("test", f"ARGS=-q {' '.join(runs)}", timeout=1800)


@pytest.mark.parametrize("name", OTHERS)
def test_those_of_other_answers_pass_there(
    name: str, renderings: Renderings, request: pytest.FixtureRequest
) -> None:
    project: Project = request.getfixturevalue(name)
    known = plumbing.collected(project, renderings(plumbing_tests=True))
    if name == "kserve_project":  # the rest passes in the number project (test_models.py), and in
        for answers in (ON_A_CLUSTER, plumbing.WATCHED):  # the other one, which is watched, too
            known |= plumbing.collected(project, renderings(**answers, plumbing_tests=True))
    if files := plumbing.collected(project) - known:
        project.make("test", f"ARGS=-q {' '.join(sorted(files))}", timeout=900)


@pytest.mark.slow  # it sets up what the other worker has; tests/agreement/test_collected.py
def test_each_of_them_is_collected_somewhere(request: pytest.FixtureRequest) -> None:
    """A file that imports what no project has is never run, and nobody would see it."""
    projects: list[Project] = [request.getfixturevalue(name) for name in plumbing.PROJECTS]
    found = {file for project in projects for file in plumbing.collected(project)}
    assert plumbing.every(projects[0].path) <= found
