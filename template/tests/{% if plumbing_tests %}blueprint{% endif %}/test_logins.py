"""No URL with a login is accepted outside the environment, and nothing prints or writes one."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from typer.main import get_group

from blueprint.cli import app
from blueprint.errors import UserError
from blueprint.logins import hide, without_login
from blueprint.settings import SettingsError, sections

COMMANDS = [*get_group(app).commands]
SECRET = "hush-9f3c"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://me:{SECRET}@mlflow.team/x", "https://mlflow.team/x"),
        (f"https://{SECRET}@mlflow.team", "https://mlflow.team"),
        (f"http://me:p@{SECRET}@mlflow:5000", "http://mlflow:5000"),
        (f"postgresql://me:p @/{SECRET}@db/x", "postgresql://me@db/x"),
        (f"az://box/x.csv?sv=1&sig={SECRET}", "az://box/x.csv?sv=1&"),
        (f"https://s3.cloud/x?X-Amz-Signature={SECRET}&a=1", "https://s3.cloud/x?&a=1"),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
        ("abfss://box@account.azure.com/x", "abfss://box@account.azure.com/x"),
        ("registry.example.com:5000/x@sha256:1", "registry.example.com:5000/x@sha256:1"),
        ("data/part-?.csv", "data/part-?.csv"),
    ],
)
def test_a_login_is_found_wherever_it_is(url, shown):
    assert without_login(url) == shown
    assert SECRET not in hide(f"cannot read '{url.replace(' ', '')}': no such host")
    assert SECRET not in str(UserError(f"{url.replace(' ', '')}: no such host"))


@pytest.mark.parametrize(
    ("key", "url", "instead"),
    [
        ("registry.tracking_uri", "https://me:{}@mlflow.team", "MLFLOW_TRACKING_PASSWORD"),
        ("registry.artifact_location", "https://me:{}@s3.team/x", "in the environment"),
        ("data.sql.url", "postgresql://me:p@{}@db/x", "MLOPS_DATA__SQL__PASSWORD"),
        ("data.files.path", "az://box/x.csv?sig={}", "MLOPS_DATA__FILES__PATH"),
        ("data.fashion_mnist.mirror", "https://{}@mirror.team", "in the environment"),
        ("images.registry", "https://me:{}@images.team", "docker login"),
        ("kubeflow.endpoint", "https://me:{}@kubeflow.team", "KUBEFLOW_TOKEN"),
        ("kubeflow.pipeline_root", "s3://key:{}@bucket/x", "kfp-launcher"),
        ("pipeline.every.variables.HTTPS_PROXY", "http://me:{}@proxy", "pipeline.every.secrets"),
        ("train.weights", "https://hub.team/x?token={}", "in the environment"),
    ],
)
def test_no_setting_takes_a_login(key, url, instead, load):
    room = {"data.sql": "data.sources.sql", "pipeline.every": "targets.kubeflow"}
    part = ".".join(key.split(".")[:2])
    known = find_spec(f"blueprint.{room[part]}") if part in room else True
    if key.partition(".")[0] not in sections() or not known:
        pytest.skip("this project has no such section")
    with pytest.raises(SettingsError, match=f"command line: {key}: a login is in it") as caught:
        load(f"{key}={url.format(SECRET)}")

    [line] = str(caught.value).splitlines()
    assert instead in line
    assert SECRET not in line


def test_a_variable_of_steps_takes_none_from_the_environment_either(load, monkeypatch):
    given = json.dumps({"A": f"http://me:{SECRET}@proxy"})
    monkeypatch.setenv("MLOPS_PIPELINE__EVERY__VARIABLES", given)

    with pytest.raises(SettingsError, match=r"environment variable: pipeline.every.variables.A: a"):
        load()


FILES = {"source": "files", "files__path": f"http://127.0.0.1:9/rows.csv?sig={SECRET}"}
DATA = {f"MLOPS_DATA__{key.upper()}": value for key, value in FILES.items()}
SERVER = {"MLOPS_REGISTRY__TRACKING_URI": f"http://me:{SECRET}@127.0.0.1:9"}
DATABASE = {"MLOPS_REGISTRY__TRACKING_URI": f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/x"}


@pytest.mark.parametrize(
    ("command", "variables", "shown"),
    [
        (["compile"], SERVER | DATA, "training.yaml"),
        (["doctor"], DATABASE | DATA, "registry postgresql+psycopg://me@127.0.0.1:9/x"),
        (["models"], SERVER, "error: cannot read the registry at http://127.0.0.1:9 ("),
        (["models"], DATABASE, "error: cannot open the registry at postgresql+psycopg://me@127."),
        (["run"], DATA, "load_data: files http://127.0.0.1:9/rows.csv? "),
        (["batch", f"az://box/x.csv?sig={SECRET}", "scores.csv"], {}, "error: "),
        (["run", f"https://me:{SECRET}@host"], {}, "expected key=value"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_nothing_that_is_written_or_printed_holds_a_login(folder, command, variables, shown):
    if command[0] not in COMMANDS:
        pytest.skip("this project has no such command")
    done = subprocess.run(
        [sys.executable, "-m", "blueprint.cli", *command],
        env=os.environ | variables | {"NO_PROXY": "127.0.0.1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert shown in done.stdout + done.stderr
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert SECRET not in done.stdout + done.stderr
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
