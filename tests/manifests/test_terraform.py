"""The ground that Terraform makes: valid, closed, and what it says fits the files that name it.

`terraform validate` and `terraform test` run with a stand-in of the providers, which has the real
ones' schemas: tests/support/terraform_provider.py. Where the real ones can be had, with those too:
from the registry, or from the folder that TERRAFORM_PLUGINS names (a filesystem mirror).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import questions
from support.questions import ROOT
from support.rendering import Renderings
from tools import terraform_schemas

KUBEFLOW = {"platform": "kubeflow", "infrastructure": "terraform"}
STACK = {**KUBEFLOW, "serving_platform": "kserve", "gitops": "flux"}
VERTEX = {"platform": "vertex", "infrastructure": "terraform"}
GROUNDS: dict[str, dict[str, Any]] = {
    "vertex": {**VERTEX, "serving_platform": "vertex"},
    "vertex, pipelines alone": {**VERTEX, "ci": "none"},
    "gke": STACK,
    "aws": {**STACK, "cloud": "aws"},
    "aws, bare": {**KUBEFLOW, "cloud": "aws", "ci": "gitlab"},
    "azure": {**STACK, "cloud": "azure"},
}
FULL = [name for name in GROUNDS if "," not in name]
STANDIN = ROOT / "tests" / "support" / "terraform_provider.py"
SCHEMAS = sorted((ROOT / "tests" / "manifests" / "providers").glob("*.json"))
KEYS = r'"(google_service_account_key|aws_iam_access_key|azuread_\w+_password|random_password)"'

terraform = pytest.mark.skipif(
    not shutil.which("terraform"), reason="no terraform: developer.hashicorp.com/terraform/install"
)


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "terraformrc").touch()
    env = os.environ | {
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        **variables,
    }
    command = ["terraform", *arguments, "-no-color"]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def checked(folder: Path, *arguments: str, **variables: str) -> str:
    done = run(folder, *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def started(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in a root module or in the ground itself, after `init` without a state."""
    checked(folder, "init", "-backend=false", "-input=false", **variables)
    return run(folder, *arguments, **variables)


@pytest.fixture(scope="module")
def providers() -> Iterator[dict[str, str]]:
    """The variable that has Terraform talk to the stand-in."""
    command = ["uv", "run", "--quiet", "--script", str(STANDIN), *map(str, SCHEMAS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as server:
        assert server.stdin
        assert server.stdout
        yield {"TF_REATTACH_PROVIDERS": server.stdout.readline().strip()}
        server.stdin.close()


@pytest.fixture
def ground(request: pytest.FixtureRequest, renderings: Renderings, tmp_path: Path) -> Path:
    """infrastructure/terraform of a rendering, to be worked in."""
    source = renderings(**GROUNDS[request.param]) / "infrastructure" / "terraform"
    return Path(shutil.copytree(source, tmp_path / "terraform"))


@terraform
@pytest.mark.parametrize("ground", GROUNDS, indirect=True)
def test_every_ground_is_formatted_and_valid(ground: Path, providers: dict[str, str]) -> None:
    checked(ground, "fmt", "-check", "-diff", "-recursive")
    for environment in ("staging", "production"):
        done = started(ground / environment, "validate", **providers)
        assert done.returncode == 0, done.stdout + done.stderr


@terraform
@pytest.mark.parametrize("ground", FULL, indirect=True)
def test_its_own_tests_hold(ground: Path, providers: dict[str, str]) -> None:
    done = started(ground / "ground", "test", **providers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [2-9] passed, 0 failed", done.stdout)


MISTAKES = {
    "an argument that is not there": (
        "vertex",
        "validate",
        ("mlflow.tf", "deletion_protection = var.protected", "deletion_guard = var.protected"),
        "Unsupported argument",
    ),
    "a reference to nothing": (
        "gke",
        "validate",
        ("cluster.tf", "google_compute_router.router.name", "google_compute_router.route.name"),
        "Reference to undeclared resource",
    ),
    "a type": (
        "aws",
        "validate",
        ("cluster.tf", "max_size     = var.nodes.max", 'max_size     = "many"'),
        "a number is required",
    ),
    "a public bucket": (
        "vertex",
        "test",
        ("main.tf", "uniform_bucket_level_access = true", "uniform_bucket_level_access = false"),
        "A bucket can be public",
    ),
    "public nodes": (
        "gke",
        "test",
        ("cluster.tf", "enable_private_nodes    = true", "enable_private_nodes    = false"),
        "Nodes have public addresses",
    ),
    "the node's role for pods": (
        "aws",
        "test",
        ("cluster.tf", '"required"', '"optional"'),
        "Pods can take the node's role",
    ),
    "a store with keys": (
        "azure",
        "test",
        (
            "main.tf",
            "shared_access_key_enabled         = false",
            "shared_access_key_enabled = true",
        ),
        "or has keys",
    ),
    "too many rights": (
        "azure",
        "test",
        ("cluster.tf", '? "Reader" : "Contributor"', '? "Owner" : "Contributor"'),
        "Serving pods may change models",
    ),
}


@terraform
@pytest.mark.parametrize(
    ("ground", "command", "change", "said"),
    MISTAKES.values(),
    ids=MISTAKES,
    indirect=["ground"],
)
def test_a_mistake_is_found(
    ground: Path,
    command: str,
    change: tuple[str, str, str],
    said: str,
    providers: dict[str, str],
) -> None:
    name, old, new = change
    file = ground / "ground" / name
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    done = started(ground / ("ground" if command == "test" else "staging"), command, **providers)
    assert done.returncode
    assert said in " ".join((done.stdout + done.stderr).split())


@terraform
@pytest.mark.parametrize("ground", FULL, indirect=True)
def test_the_real_provider_agrees(ground: Path) -> None:
    real = terraform_schemas.rc(ground)
    done = run(ground / "ground", "init", "-backend=false", "-input=false", **real)
    if done.returncode:
        pytest.skip("its provider is not to be had: from the registry, or in TERRAFORM_PLUGINS")
    checked(ground / "ground", "validate", **real)
    checked(ground / "ground", "test", **real)


@terraform
@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_the_stand_in_has_the_real_providers_schema(file: Path) -> None:
    """All that the HCL uses, and nothing else; word for word where that version can be had."""
    schema = json.loads(file.read_text())
    used = terraform_schemas.used(file.stem)
    assert schema["resources"].keys() == used["resource"]
    assert schema["data"].keys() == used["data"]
    try:
        real = terraform_schemas.text(file.stem)
    except subprocess.CalledProcessError:
        pytest.skip("the provider is not to be had: from the registry, or in TERRAFORM_PLUGINS")
    if json.loads(real)["version"] != schema["version"]:
        pytest.skip(f"there is {json.loads(real)['version']}")
    assert json.loads(real) == schema


@terraform
@pytest.mark.parametrize("name", FULL)
def test_what_is_written_has_a_place(
    name: str, renderings: Renderings, tmp_path: Path, providers: dict[str, str]
) -> None:
    """Each output names a file of the project and, beside config/, a key that it has."""
    project = renderings(**GROUNDS[name])
    ground = Path(shutil.copytree(project / "infrastructure" / "terraform", tmp_path / "terraform"))
    done = started(ground / "ground", "test", "-verbose", "-json", **providers)
    states = [json.loads(line).get("test_state") for line in done.stdout.splitlines()]
    outputs = [state["outputs"] for state in states if state][1]  # of the run with all
    for output in {"files", "endpoint", "stack"} & outputs.keys():
        for file, values in outputs[output]["value"].items():
            assert (project / file).exists()
            if file.startswith("config/"):
                assert values.keys() <= settings_sections(project)
            else:
                known = keys(yaml.safe_load((project / file).read_text()))
                assert keys(values) <= known


def keys(values: Any, above: str = "") -> set[str]:
    if not isinstance(values, dict):
        return {above}
    return {path for key, each in values.items() for path in keys(each, f"{above}.{key}")}


def settings_sections(project: Path) -> set[str]:
    """The sections of the configuration, as the plumbing's settings.py files declare them."""
    files = (project / "src" / "blueprint").rglob("settings.py")
    tables = [re.search(r"(?ms)^SECTIONS\b.*?[}]$", file.read_text()) for file in files]
    return {name for table in tables if table for name in re.findall(r'"(\w+)":', table[0])}


@pytest.mark.parametrize("name", GROUNDS)
def test_no_key_is_made_and_no_secret_is_in_a_state(name: str, renderings: Renderings) -> None:
    project = renderings(**GROUNDS[name])
    for file in (project / "infrastructure" / "terraform").rglob("*.tf"):
        assert not re.search(KEYS, file.read_text()), file
        assert not re.search(r"(?m)^\s*(secret_data|secret_string|password)\s*=", file.read_text())


@pytest.mark.slow  # checkov takes a minute to say anything
def test_checkov_finds_nothing_but_what_is_planted(renderings: Renderings, tmp_path: Path) -> None:
    for name in FULL:
        source = renderings(**GROUNDS[name]) / "infrastructure" / "terraform" / "ground"
        shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("tests"))
    planted = Path(shutil.copytree(tmp_path / "gke", tmp_path / "planted")) / "main.tf"
    closed = "uniform_bucket_level_access = true"
    assert planted.read_text().count(closed) == 1
    planted.write_text(planted.read_text().replace(closed, closed.replace("true", "false")))
    command = ["uv", "tool", "run", "--from", questions.pinned("checkov"), "checkov", "--quiet"]
    command += ["--directory", str(tmp_path), "--framework", "terraform", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout.startswith("{"), done.stderr
    failed = json.loads(done.stdout)["results"]["failed_checks"]
    found = {(each["file_path"].split("/")[1], each["check_id"]) for each in failed}
    assert found == {("planted", "CKV_GCP_29")}, found
