"""docs/your-own-step.md as written: a component and a line in pipeline.py, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blueprint import pipelines

PROJECT = Path(__file__).parents[3]
PAGE = PROJECT / "docs" / "your-own-step.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of this project with the page's step in it; commands run with this environment."""
    path = tmp_path_factory.mktemp("own") / "project"
    package = pipelines.package()
    for name in ("src", "config"):
        shutil.copytree(PROJECT / name, path / name)
    component, line, changed = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[:3]
    owned = path / "src" / package
    (owned / "components" / "profile_data.py").write_text(component)
    pipeline = (owned / "pipeline.py").read_text()
    before = "    trained = train_model(\n"
    assert before in pipeline
    assert line.startswith("from .components.profile_data import")
    imported, call = line.split("\n\n")
    pipeline = pipeline.replace("from .components import", f"{imported}\nfrom .components import")
    call = "".join(f"    {each}\n" for each in call.strip().splitlines())
    (owned / "pipeline.py").write_text(pipeline.replace(before, call + before))
    (path / "most.py").write_text(changed)
    return path


def run(project, *arguments, code=0):
    variables = os.environ | {"PYTHONPATH": str(project / "src"), "MLOPS_ENV": "test"}
    command = [sys.executable, "-m", "blueprint.cli", *arguments]
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_is_shown_cached_debugged_and_given_parameters(project):
    first = run(project, "run")
    assert re.search(r"✓ profile_data .* s  \d+ rows, \d+ columns", first), first

    again = run(project, "run", "gate.champion.margin=0.5")
    assert re.search(r"· profile_data .*cached", again), again

    assert "nothing has changed" in run(project, "run", "gate.champion.margin=0.5")

    assert "[profile_data] says: " in run(project, "debug")


def test_a_parameter_of_its_own_comes_from_the_configuration(project):
    package = pipelines.package()
    pipeline = project / "src" / package / "pipeline.py"
    component = project / "src" / package / "components" / "profile_data.py"
    texts = {path: path.read_text() for path in (pipeline, component)}
    signature, call = (project / "most.py").read_text().strip().split("\n\n")
    try:
        component.write_text(
            texts[component].replace("profile: Output", "most: int, profile: Output")
        )
        pipeline.write_text(
            texts[pipeline]
            .replace("    data: dict,\n", f"    {signature.strip()}\n    data: dict,\n")
            .replace('profile_data(data=loaded.outputs["train_data"])', call.strip())
        )
        missing = run(project, "run", code=1)
        assert "error: parameters.most in config/ is missing" in missing
        wrong = run(project, "run", "parameters.most=many", code=1)
        assert "error: parameters.most in config/: expected int, got 'many'" in wrong
        unknown = run(project, "run", "parameters.most=3", "parameters.mots=3", code=1)
        assert "parameters.mots in config/: no pipeline has such a parameter; did you" in unknown
        assert re.search(r"✓ profile_data", run(project, "run", "parameters.most=3"))
    finally:
        for path, text in texts.items():
            path.write_text(text)


def test_options_of_a_step_that_is_not_there_name_those_that_are(project):
    text = run(project, "run", "pipeline.steps.profile_dat.cache=true", code=1)
    assert "pipeline.steps.profile_dat in config/: no pipeline has such a step; did you" in text


def test_it_is_compiled_with_its_pods_options(project):
    pytest.importorskip("blueprint.targets.kubeflow")
    import yaml

    run(project, "compile", "pipeline.steps.profile_data.memory=1Gi", "pipeline.image=mine:1")
    spec, *_ = yaml.safe_load_all((project / "build" / "training.yaml").read_text())
    container = spec["deploymentSpec"]["executors"]["exec-profile-data"]["container"]
    assert container["image"] == "mine:1"
    assert container["resources"]["resourceMemoryLimit"] == "1Gi"
