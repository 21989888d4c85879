"""Generated projects, set up once a session, in a path with a space.

The tests of a project share its state (`.mlops/`), as a user's days do; each brings it to where it
starts through a fixture, so any of them runs alone.
"""

import subprocess
from pathlib import Path

import pytest
import yaml

from support import plumbing, rendering
from support.project import Project, environment
from support.projects import made


def pytest_runtest_logstart(location: tuple[str, int | None, str]) -> None:
    """These tests take seconds and more: say which one is at work."""
    print(f"\n  {location[2]} ", end="", flush=True)


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The default project, set up; nothing is trained yet."""
    return made(template, tmp_path_factory.mktemp("e2e") / "a default project")


@pytest.fixture(scope="session")
def plumbed_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The default project with the tests of its plumbing."""
    folder = tmp_path_factory.mktemp("e2e") / "a project with its tests"
    return plumbed(template, folder, "plumbed_project")


@pytest.fixture(scope="session")
def other_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The choices that the default project does not take."""
    folder = tmp_path_factory.mktemp("e2e") / "another project"
    project = plumbed(template, folder, "other_project")
    project.make(".venv/monitoring", timeout=900)  # without it no test of drift is collected
    return project


@pytest.fixture(scope="session")
def tf_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """TensorFlow Serving as the runtime."""
    folder = tmp_path_factory.mktemp("e2e") / "a project with tf-serving"
    return plumbed(template, folder, "tf_project")


@pytest.fixture(scope="session")
def kserve_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Served on KServe by the lean server, with all that it can do, watched, and led by Git."""
    folder = tmp_path_factory.mktemp("e2e") / "a project on KServe"
    return plumbed(template, folder, "kserve_project")


@pytest.fixture(scope="session")
def torch_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """PyTorch, on pictures in a folder."""
    folder = tmp_path_factory.mktemp("e2e") / "a torch project"
    project = plumbed(template, folder, "torch_project")
    return with_examples(project, "pictures", "data/pictures")


@pytest.fixture(scope="session")
def table_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """scikit-learn, on classes of rows in a CSV file, with texts and gaps; also on Vertex AI."""
    folder = tmp_path_factory.mktemp("e2e") / "a table project"
    project = plumbed(template, folder, "table_project")
    return with_examples(project, "csv", "data/flats.csv", label="string")


@pytest.fixture(scope="session")
def number_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """XGBoost behind BentoML on Kubernetes, on numbers to predict in a database, with gaps."""
    folder = tmp_path_factory.mktemp("e2e") / "a number project"
    project = plumbed(template, folder, "number_project")
    return with_examples(project, "sql", "data/examples.db", label="float64")


def plumbed(template: Path, folder: Path, name: str) -> Project:
    return made(template, folder, **plumbing.PROJECTS[name], plumbing_tests=True)


def with_examples(project: Project, kind: str, path: str, label: str = "") -> Project:
    """Put the user's data where the configuration reads it, and declare the columns of a table."""
    script = Path(rendering.__file__).with_name("examples.py")  # it imports what is not here
    python = project.path / ".venv" / "bin" / "python"
    subprocess.run([python, script, kind, project.path / path], check=True, env=environment())
    if label:
        file = project.path / "config" / "base.yaml"  # which the owner's tests read, too
        columns = {
            "age": {"dtype": "float64", "min": 0, "nullable": True},
            "city": {"dtype": "string", "nullable": True},
            "rooms": {"dtype": "int64"},
            "label": {"dtype": label},
        }
        declared = yaml.safe_dump({"columns": columns}, default_flow_style=True, width=1000)[1:-2]
        text = file.read_text()
        assert text.count("\ndata:\n") == 1
        file.write_text(text.replace("\ndata:\n", f"\ndata:\n  {declared}\n"))
    rendering.git(project.path, "add", "--force", "data")
    rendering.commit(project.path, "My data")
    return project
