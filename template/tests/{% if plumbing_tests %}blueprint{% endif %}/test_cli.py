"""The command line as make calls it: what it prints, where, and its exit codes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from typer.main import get_group

from blueprint.cli import app

COMMANDS = [*get_group(app).commands]


def cli(*arguments, **environment):
    command = [sys.executable, "-m", "blueprint.cli", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "serving.port=many"], "command line: serving.port: .*integer.*'many'"),
        (["compile", "nonsense"], "error: 'nonsense': expected key=value"),
        (["serve"], "error: .*`make run`"),
        (["predict"], "error: no run has left load-data/test_data in .mlops/runs: run `make run`"),
        (["batch", "", ""], "error: which rows, and where to. `make batch INPUT=new.csv OUTPUT="),
        (["batch", "new.csv", "scores.csv"], "error: no model is in service: `make run` makes one"),
        (["report"], "error: no run has left evaluate-model/report"),
        (["report", "--version", "1"], "error: .* has no version 1: `make models` lists them"),
        (["promote"], "error: which version\\? `make promote VERSION=3`; `make models` lists them"),
        (["promote", "1"], "error: .* has no version 1: `make models` lists them"),
        (["rollback"], "error: .* has no champion, so nothing to go back from"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_one(folder, arguments, message):
    if arguments[0] not in COMMANDS:
        pytest.skip("this project has no such command")
    result = cli(*arguments)

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    [line] = result.stderr.splitlines()
    assert re.search(message, line)


def test_models_before_any_run_says_what_to_do(folder):
    result = cli("models")

    assert result.returncode == 0
    assert "is registered yet: run `make run`" in result.stdout


def test_a_registry_that_does_not_answer_is_named_before_anybody_gives_up(folder):
    nobody = "http://127.0.0.1:9"

    result = cli("models", MLOPS_REGISTRY__TRACKING_URI=nobody, NO_PROXY="127.0.0.1")

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert f"error: cannot read the registry at {nobody} (registry.tracking_uri): " in line
    assert "Connection refused" in line


def test_a_run_or_a_doctor_finds_a_registry_that_does_not_answer_at_once(folder):
    nobody = {"MLOPS_REGISTRY__TRACKING_URI": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}

    result = cli("run", **nobody)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "(registry.tracking_uri)" in line
    assert "does not answer" in line
    assert "load_data" not in result.stdout

    result = cli("doctor", **nobody, COLUMNS="200")
    assert result.returncode == 1
    assert re.search("✗ +│ registry +│ cannot read", result.stdout)


def test_ui_says_where_a_tracking_server_is(folder):
    result = cli("ui", MLOPS_REGISTRY__TRACKING_URI="https://mlflow.example.com/")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("MLflow is on https://mlflow.example.com/#/experiments")


def test_ui_ends_quietly(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["ui", "--port", str(port)]
    command = [sys.executable, "-m", "blueprint.cli", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        with socket.socket() as client:
            if not client.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)  # as the terminal sends Ctrl-C

    _, printed = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in printed
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port))


@pytest.mark.skipif("compile" not in COMMANDS, reason="nothing compiles for a cluster here")
def test_compile_writes_the_files_it_names(folder):
    result = cli("compile", MLOPS_ENV="test")

    assert result.returncode == 0
    assert result.stdout
    for path in result.stdout.splitlines():
        assert (folder / path).stat().st_size > 1000


def test_an_unwritable_folder_is_named(folder):
    (folder / ".mlops").write_text("in the way")

    result = cli("run")

    assert result.returncode == 1
    assert "cannot write to .mlops" in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_finds_what_is_wrong(folder):
    well = cli("doctor", COLUMNS="200")
    assert well.returncode == 0
    assert "is in service: `make run` trains and deploys one" in well.stdout
    assert "no git repository: `git init`" in well.stdout

    ill = cli("doctor", MLOPS_SERVING__PORT="none")
    assert ill.returncode == 1
    assert "serving.port" in ill.stdout


def test_help_loads_nothing_heavy():
    code = "import sys, blueprint.cli; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)

    heavy = {"kfp", "mlflow", "tensorflow", "polars", "numpy", "onnxruntime", "pydantic", "sklearn"}
    assert not heavy & set(loaded.stdout.split())


def test_each_command_has_one_name_and_says_what_it_does():
    listed = cli("--help").stdout

    assert len(app.registered_commands) == len(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z]", listed, re.MULTILINE), name
