"""A run with nothing new: it says so and stops, and each kind of change is something new."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from blueprint import pipelines
from blueprint.data.sources import scan
from blueprint.registry import store
from blueprint.registry.client import Registry
from blueprint.runs import RUNS
from blueprint.targets import local, unchanged

AGAIN = """
import sys
from blueprint import settings
from blueprint.targets import local
assert local.run(settings.load("test", sys.argv[1:])) == {}
print({"kfp", "mlflow", "sklearn", "matplotlib"} & {*sys.modules})
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A project folder in which the pipeline has run once."""
    path = tmp_path_factory.mktemp("ran") / "project"
    shutil.copytree(Path(__file__).parents[3] / "config", path / "config")
    return path


@pytest.fixture
def project(ran, load, folder, monkeypatch):
    """Load a configuration of it: the run is made for the first test, and stays."""
    monkeypatch.chdir(ran)
    registry = [
        f"registry.tracking_uri=sqlite:///{ran}/.mlops/mlflow.db",
        "data.source=files",
        "data.files.path=rows.parquet",
    ]
    if not Path(".mlops").exists():
        scan("sample", task=load().data.task).collect().write_parquet("rows.parquet")
        Path("uv.lock").write_text("version = 1\n")
        first = local.run(load(*registry))
        assert first["deploy_model"] == "finished"
    configured = partial(load, *registry)
    configured.overrides = registry
    return configured


def is_unchanged(settings, image=""):
    return bool(unchanged.since(settings, unchanged.key(settings, image)))


def test_nothing_new_is_said_in_two_lines_that_fit_a_terminal(project, capsys):
    before = RUNS.stat().st_mtime_ns
    assert local.run(project()) == {}

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("nothing has changed since the run of 2")
    assert first.endswith(": version 1 is the champion")
    assert second == "`make run ARGS=--no-cache` trains again"
    assert max(len(first), len(second)) <= 80
    assert RUNS.stat().st_mtime_ns == before


def test_it_imports_nothing_that_takes_seconds(project):
    command = [sys.executable, "-c", AGAIN, *project.overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()", done.stdout


def test_configuration(project):
    [metric] = project().gate.floors
    assert is_unchanged(project())
    name, value = next((key, each) for key, each in project().train.items() if type(each) is int)
    assert not is_unchanged(project(f"train.{name}={value + 1}"))
    assert not is_unchanged(project(f"gate.floors.{metric}=0.21"))
    assert not is_unchanged(project("gate.champion.margin=0.5"))
    assert not is_unchanged(project("pipeline.steps.train_model.cache=false"))
    assert not is_unchanged(project(), image="pipeline:1")


@pytest.mark.parametrize("name", ["rows.parquet", "uv.lock"])
def test_data_and_packages(project, name):
    path = Path(name)
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(content + b"\n" if name == "uv.lock" else content)
    assert not is_unchanged(project())
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert is_unchanged(project())


@pytest.mark.parametrize("name", ["train.py", "data.py", "pipeline.py", "components/load_data.py"])
def test_code(project, name):
    path = pipelines.folder() / name
    content = path.read_text()
    try:
        path.write_text(content + "\n# edited\n")
        assert not is_unchanged(project())
    finally:
        path.write_text(content)
    assert is_unchanged(project())


def test_python(project, monkeypatch):
    monkeypatch.setattr(unchanged.platform, "python_version", lambda: "3.10.0")
    assert not is_unchanged(project())


def test_the_champion(project):
    loaded = project()
    registry = Registry(**loaded.registry.model_dump())
    champion = registry.champion()
    other = registry.register(champion.run_id, {})
    assert is_unchanged(loaded)  # another version is not another champion
    registry.promote(other.number, over=champion, tags={})
    assert not is_unchanged(loaded)
    registry.promote(champion.number, over=registry.champion(), tags={})
    assert is_unchanged(loaded)


@pytest.mark.parametrize("damage", ["file", "pointer"])
def test_what_is_in_service(project, damage, tmp_path):
    loaded = project()
    root = Path(loaded.serving.store)
    kept = shutil.copytree(root, tmp_path / "kept")
    deployed = store.current(root, loaded.registry.name)
    if damage == "file":
        (deployed.folder / "signature.json").write_text("{}")
    else:
        (deployed.folder.parent / "current.json").unlink()
    assert not is_unchanged(loaded)
    shutil.rmtree(root)
    shutil.copytree(kept, root)
    assert is_unchanged(loaded)
