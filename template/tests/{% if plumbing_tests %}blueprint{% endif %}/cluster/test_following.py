"""`make submit WAIT=1`: progress as on this machine, and a failure that is one."""

import os
import subprocess
import sys

import kfp_server_api as api
import pytest
from cluster.fake import details, never, step

from blueprint.errors import UserError
from blueprint.targets.kubeflow import following, submission
from blueprint.targets.kubeflow.client import ClusterError

LOG = """\
I0101 00:00:00.000000 1 launcher_v2.go:90] input ComponentSpec
[evaluate_model] started
a library's own line
[evaluate_model] says: accuracy 0.93
[evaluate_model] says: accepted
[evaluate_model] finished: in 4.2 s
"""
CACHED = step("load-data", "SUCCEEDED", "SKIPPED")
TRAINED = step("train-model", "SUCCEEDED", "SUCCEEDED", at=1)
STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
EVALUATED = step("evaluate-model", "SUCCEEDED", "SUCCEEDED", at=2)
REGISTERED = step("register-model", "SUCCEEDED", "SUCCEEDED", at=3)
DEPLOYED = step("deploy-model", "SUCCEEDED", "SUCCEEDED", at=4)


@pytest.fixture
def submit(fake, load_cluster):
    def submit(*script):
        fake.script = list(script)
        return submission.submit(load_cluster(fake.endpoint), wait=True)

    return submit


def test_a_run_is_shown_step_by_step(fake, submit, capsys):
    fake.logs["digits-abc-system-container-impl-1001"] = "[train_model] started\n"
    fake.logs["digits-abc-system-container-impl-1002"] = LOG
    run_id = submit(
        details(),
        details(step("load-data", "RUNNING", "PENDING")),
        details(CACHED, step("train-model", "RUNNING", at=1)),
        details(CACHED, TRAINED, step("evaluate-model", "RUNNING", at=2)),
        details(CACHED, TRAINED, EVALUATED, REGISTERED),
        details(CACHED, TRAINED, EVALUATED, REGISTERED, state="SUCCEEDED"),
    )

    printed = capsys.readouterr().out
    lines = [line.strip() for line in printed.splitlines()]
    assert [line.split()[1] for line in lines if line[:1] in "✓·"] == STEPS
    assert "✓ evaluate_model" in printed
    assert "accuracy 0.93" in lines
    assert "accepted" in lines
    assert "own line" not in printed
    assert "cached" in next(line for line in lines if line.startswith("· load_data"))
    assert "skipped" in next(line for line in lines if line.startswith("· deploy_model"))
    assert "own line" in (following.RUNS / f"{run_id}.log").read_text()


def test_a_log_that_grows_is_shown_once(fake, submit, capsys):
    pod = "digits-abc-retry-system-container-impl-1002"
    fake.logs["digits-abc-system-container-impl-1001"] = "[train_model] started\n"
    lines = LOG.splitlines(keepends=True)

    def grow(count):
        show = details(CACHED, TRAINED, step("evaluate-model", "RUNNING", at=2))

        def change(run):
            fake.logs[pod] = "".join(lines[:count])[: -3 if count < len(lines) else None]
            show(run)

        return change

    whole = details(CACHED, TRAINED, EVALUATED, REGISTERED, DEPLOYED, state="SUCCEEDED")
    submit(*(grow(count) for count in range(1, len(lines) + 1)), whole)

    printed = capsys.readouterr().out
    assert printed.count("accuracy 0.93") == printed.count("accepted") == 1


def test_a_failed_step_is_the_error(fake, submit, capsys):
    failed = step("train-model", "FAILED", "FAILED", at=1, error="OOMKilled\n(exit code 137)")
    message = r"train_model: OOMKilled \(exit code 137\) \(log: .*runs/details"
    with pytest.raises(UserError, match=message):
        submit(
            details(CACHED, step("train-model", "RUNNING", at=1)),
            details(CACHED, failed, never("evaluate-model"), state="FAILED"),
        )
    printed = capsys.readouterr().out
    assert "✗ train_model" in printed
    assert "evaluate_model" not in printed


def test_a_step_that_got_no_pod_is_the_error(submit):
    driver, node, _ = step("train-model", "FAILED", at=1)
    driver.state, node.error = "FAILED", api.GoogleRpcStatus(message="no such parameter")

    with pytest.raises(UserError, match="train-model: no such parameter"):
        submit(details(CACHED, [driver, node], never("evaluate-model"), state="FAILED"))


def test_what_the_step_said_of_its_failure_is_the_error(fake, submit):
    fake.logs["digits-abc-system-container-impl-1001"] = (
        "[train_model] started\n[train_model] failed: ValueError: no such column\n"
    )
    failed = step("train-model", "FAILED", "FAILED", at=1, error="exit code 1")
    with pytest.raises(UserError, match="train_model: ValueError: no such column"):
        submit(details(CACHED, failed, state="FAILED"))


def test_an_attempt_that_fails_is_no_failure_of_the_step(fake, submit, capsys):
    fake.logs["digits-abc-retry-system-container-impl-1001"] = (
        "[train_model] started\n[train_model] failed: ConnectionError: gone\n"
    )
    submit(
        details(CACHED, step("train-model", "RUNNING", at=1)),
        details(CACHED, TRAINED, EVALUATED, REGISTERED, DEPLOYED, state="SUCCEEDED"),
    )

    printed = capsys.readouterr().out
    assert "✓ train_model" in printed
    assert "✗" not in printed


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_run_that_ends_before_any_step(submit, state):
    with pytest.raises(UserError, match=f"the run is {state}"):
        submit(details(state=state))


def test_a_short_silence_is_waited_out_and_a_long_one_is_not(fake, submit, load_cluster):
    def silent(answers):
        def change(run):
            fake.failures = answers
            details(CACHED)(run)

        return change

    done = details(CACHED, TRAINED, EVALUATED, REGISTERED, DEPLOYED, state="SUCCEEDED")
    assert submit(silent(following.PATIENCE - 1), done)
    with pytest.raises(ClusterError, match="it rejects the request: starting up"):
        submit(silent(100), done)


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_the_command_fails_when_the_run_fails(fake, load_cluster, state, code):
    load_cluster(fake.endpoint)  # the folder, and an image that was pushed
    fake.script = [details(CACHED, TRAINED, EVALUATED, REGISTERED, DEPLOYED, state=state)]
    given = {
        "kubeflow.endpoint": fake.endpoint,
        "registry.tracking_uri": "http://mlflow.team:5000",
        "serving.store": "null",
    }
    command = [sys.executable, "-m", "blueprint.cli"]
    done = subprocess.run(
        [*command, "submit", "--wait", *(f"{key}={value}" for key, value in given.items())],
        env=os.environ | {"MLOPS_ENV": "test"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == code, done.stderr
    assert "✓ deploy_model" in done.stdout
    assert done.stderr.startswith("error: the run is FAILED") is (code == 1)
