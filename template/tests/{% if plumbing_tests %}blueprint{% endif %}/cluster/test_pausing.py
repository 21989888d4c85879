"""`make debug STEP=…`: a step's pod that waits; how it is entered, goes on and ends."""

import subprocess
import sys

import pytest
from cluster.fake import details, step

from blueprint.errors import UserError
from blueprint.targets.kubeflow import pausing

POD = "digits-abc-system-container-impl-1001"
LOADED = step("load-data", "SUCCEEDED", "SUCCEEDED")
WAITING = step("train-model", "RUNNING", "RUNNING", at=1)
# As kubectl is called: what it is given goes to a file.
KUBECTL = """#!/bin/sh
echo "$@" > kubectl.txt
test ! -e no || { echo 'Error from server (Forbidden): pods "x" is forbidden' >&2; exit 1; }
"""


@pytest.fixture
def kubectl(folder, monkeypatch):
    (folder / "bin").mkdir()
    (folder / "bin" / "kubectl").write_text(KUBECTL)
    (folder / "bin" / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    return folder / "kubectl.txt"


def test_one_steps_pod_waits_and_its_command_is_printed(fake, load_cluster, capsys, monkeypatch):
    monkeypatch.setenv("MLOPS_ENV", "staging")
    starting = step("train-model", "RUNNING", "PENDING", at=1)
    fake.script = [details(), details(LOADED, starting), details(LOADED, WAITING)]

    pausing.pause(load_cluster(fake.endpoint), "train_model")

    [run] = fake.runs.values()
    [spec] = fake.bodies("POST", "/pipelines/upload_version")
    for name, executor in spec["deploymentSpec"]["executors"].items():
        waits = {"name": "ARGO_DEBUG_PAUSE_BEFORE", "value": "true"}
        assert (waits in executor["container"].get("env", [])) is (name == "exec-train-model")
    assert spec["root"]["dag"]["tasks"]["train-model"]["cachingOptions"] == {}
    printed = capsys.readouterr().out
    assert f"train_model waits in pod {POD}" in printed
    assert f"kubectl exec -it -n kubeflow {POD} -c main -- sh" in printed
    assert f"make debug ENV=staging RUN={run.run_id} STEP=train_model GO=1" in printed


def test_with_retries_the_pod_has_another_name(fake, load_cluster, capsys):
    fake.script = [details(LOADED, WAITING)]
    retried = load_cluster(fake.endpoint, "pipeline.steps.train_model.retries=2")

    pausing.pause(retried, "train_model")

    assert "pod digits-abc-retry-system-container-impl-1001" in capsys.readouterr().out


def test_it_goes_on_by_a_file_in_its_pod(fake, load_cluster, kubectl, capsys):
    settings = load_cluster(fake.endpoint)
    fake.script = [details(LOADED, WAITING)] * 2
    pausing.pause(settings, "train_model")
    [run_id] = fake.runs

    pausing.release(settings, run_id, "train_model")

    command = f"exec -n kubeflow {POD} -c main -- touch /var/run/argo/ctr/main/before"
    assert kubectl.read_text().strip() == command
    assert "train_model goes on" in capsys.readouterr().out
    kubectl.with_name("no").touch()
    fake.script = [details(LOADED, WAITING)]
    with pytest.raises(UserError, match=r"touch \S+: Error from server \(Forbidden\): pods"):
        pausing.release(settings, run_id, "train_model")


def test_it_ends_with_its_run(fake, load_cluster, capsys):
    settings = load_cluster(fake.endpoint)
    fake.script = [details(LOADED, WAITING)]
    pausing.pause(settings, "train_model")
    [run] = fake.runs.values()

    pausing.end(settings, run.run_id)

    assert run.state == "CANCELING"
    assert f"run {run.run_id} ends" in capsys.readouterr().out
    failed = details(step("load-data", "FAILED", "FAILED"), state="FAILED")
    fake.script = [failed]
    with pytest.raises(UserError, match="is FAILED: train_model does not wait in it"):
        pausing.release(settings, run.run_id, "train_model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["debug-pause", "train"], "STEP=train: expected load_data, train_model, evaluate"),
        (["debug-pause", "train_model"], "this configuration has no cluster"),
        (["debug-end", "a-run"], "this configuration has no cluster"),
    ],
)
def test_a_mistake_is_one_line(folder, arguments, message):
    command = [sys.executable, "-m", "blueprint.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert message in line
