"""The scikit-learn project, in short: the same targets, without TensorFlow in its environment."""

import json

from blueprint.project import Project
from blueprint.runs import champion, post


def test_it_checks_itself(sklearn_project: Project) -> None:
    sklearn_project.make("lint")
    sklearn_project.make("test")


def test_it_trains_serves_and_answers(sklearn_project: Project) -> None:
    assert "accepted" in sklearn_project.make("run").stdout
    assert champion(sklearn_project) == "1"
    with sklearn_project.serve() as server:
        shown = sklearn_project.make("predict", f"PORT={server.port}").stdout
        assert "ms" in shown
        status, body, _ = post(server, "digit-recognition", {"instances": [[[0] * 8] * 8]})
        assert status == 200
        assert abs(sum(json.loads(body)["predictions"][0]) - 1) < 1e-3


def test_it_has_no_tensorflow(sklearn_project: Project) -> None:
    packages = sklearn_project.path.glob(".venv/lib/python3*/site-packages/tensorflow*")
    assert not list(packages)
