"""What `make doctor` says of the service account that deploys for the pipeline."""

import shutil
from pathlib import Path

import pytest
import yaml

from blueprint.deploy import readiness
from blueprint.deploy.settings import Deploy
from blueprint.errors import UserError

PROJECT = Path(__file__).parents[3]
RBAC = Path("deploy") / "rbac" / "staging" / "account.yaml"
ACCOUNT = yaml.safe_load((PROJECT / RBAC).read_text())["data"]["account"]
OTHER = "system:serviceaccount:team-vision:another"


@pytest.fixture(autouse=True)
def staging(tmp_path, monkeypatch):
    """A copy of the project's deploy/, as staging."""
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl: https://kubernetes.io/docs/tasks/tools has it")
    shutil.copytree(PROJECT / "deploy", tmp_path / "deploy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readiness, "selected", lambda: "staging")
    return tmp_path / RBAC


def section(account=ACCOUNT, namespace="team-vision"):
    return Deploy(context="staging", namespace=namespace, pipeline_account=account)


def test_the_account_that_rbac_binds_is_the_configured_one():
    assert ACCOUNT in readiness._account(section())
    assert "is not set" in readiness._account(section(account=None))


@pytest.mark.parametrize(
    "given",
    [section("system:serviceaccount:other:default-editor"), section(namespace="another")],
    ids=["account", "namespace"],
)
def test_another_one_is_one_line(given):
    with pytest.raises(UserError) as caught:
        readiness._account(given)
    [line] = str(caught.value).splitlines()
    assert f"lets {ACCOUNT} deploy to team-vision" in line
    assert "deploy/rbac/staging/account.yaml" in line


def test_what_is_written_there_counts(staging):
    staging.write_text(staging.read_text().replace(ACCOUNT, OTHER))
    with pytest.raises(UserError, match=f"lets {OTHER} deploy to team-vision"):
        readiness._account(section())
    assert OTHER in readiness._account(section(OTHER))
