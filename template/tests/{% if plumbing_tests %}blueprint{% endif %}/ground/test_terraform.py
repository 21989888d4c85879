"""The commands on the real program, with a root module that needs no provider and no account."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blueprint.cli import app
from blueprint.errors import UserError
from blueprint.ground import terraform

pytestmark = pytest.mark.skipif(
    not shutil.which("terraform"), reason="no terraform: developer.hashicorp.com/terraform/install"
)
MAIN = """\
terraform {
  backend "local" {}
}

variable "protected" {
  default = true
}

resource "terraform_data" "store" {
  input = "bucket"
}

output "files" {
  value = [
    { "config/staging.yaml" = { registry = { name = terraform_data.store.output } } },
    { "config/staging.yaml" = { images = { registry = "here/team" } } },
  ]
}

output "protected" {
  value = var.protected
}

output "print" {
  value = ["log in so", null, { role = "images" }]
}
"""
COSTS = "note: list prices\nresources: {terraform_data: a store that costs nothing}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a project"
    staging = folder / terraform.ROOT / "staging"
    staging.mkdir(parents=True)
    (staging / "main.tf").write_text(MAIN)
    (staging / "backend.hcl").write_text('path = "state.tfstate"\n')
    (staging.parent / "costs.yaml").write_text(COSTS)
    (folder / "config").mkdir()
    (folder / "config" / "staging.yaml").write_text("registry: {name: digits}  # of the model\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLOPS_ENV", "staging")
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")
    (tmp_path / "terraformrc").touch()
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "terraformrc"))
    return staging


def invoke(*arguments: str, typed: str = "") -> str:
    """What a command printed; a `UserError` as it is."""
    done = CliRunner().invoke(app, arguments, input=typed)
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exception is None, done.exception
    return done.output


def test_from_a_plan_to_the_configuration_and_back(root: Path) -> None:
    with pytest.raises(UserError, match="nothing is planned for staging"):
        invoke("infra-apply")
    assert "It costs money: 1 × a store that costs nothing\n(list prices)" in invoke("infra-plan")
    with pytest.raises(UserError, match="nothing was made"):
        invoke("infra-apply", typed="n\n")
    with pytest.raises(UserError, match="nothing is made in staging"):
        invoke("config")
    assert "It costs money" in invoke("infra-apply", typed="y\n")
    assert not (root / terraform.PLAN).exists()

    printed = invoke("config")
    assert "config/staging.yaml: registry.name is bucket" in printed
    assert 'log in so\n{\n  "role": "images"\n}' in printed
    expected = "registry: {name: bucket}  # of the model\n\nimages:\n  registry: here/team\n"
    assert Path("config/staging.yaml").read_text() == expected

    assert "Nothing to do." in invoke("infra-plan")
    with pytest.raises(UserError, match=r"main\.tf protects what holds data"):
        invoke("infra-destroy", typed="staging\n")
    main = root / "main.tf"
    main.write_text(main.read_text().replace("default = true", "default = false"))
    assert "Make it: make infra-apply" in invoke("infra-plan")
    invoke("infra-apply", "--yes")
    with pytest.raises(UserError, match="nothing was deleted"):
        invoke("infra-destroy", typed="production\n")
    invoke("infra-destroy", typed="staging\n")
    assert json.loads((root / "state.tfstate").read_text())["resources"] == []


def test_what_is_not_filled_in_is_named(root: Path) -> None:
    (root / "backend.hcl").write_text('path = "example" # fill in: a path\n')
    with pytest.raises(UserError, match=r'backend\.hcl, line 1: fill it in.*path = "example"'):
        invoke("infra-plan")


def test_another_environment_than_there_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_ENV")
    with pytest.raises(UserError, match="MLOPS_ENV=local: infrastructure/terraform has staging"):
        invoke("infra-plan")


def test_a_mistake_in_the_module_is_terraforms_to_tell(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    main = root / "main.tf"
    main.write_text(main.read_text().replace("var.protected", "var.guarded"))
    with pytest.raises(UserError, match=r"terraform plan failed in .*its message is above"):
        invoke("infra-plan")
    assert 'variable "guarded"' in capfd.readouterr().err


def test_no_program(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(root))
    for command in ("infra-plan", "config"):
        with pytest.raises(UserError, match="no terraform on PATH"):
            invoke(command)
