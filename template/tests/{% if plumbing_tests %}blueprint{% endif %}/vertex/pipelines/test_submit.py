"""`make submit`: what is sent, once, and that nothing else is."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from vertex.service import errors

from blueprint.errors import UserError
from blueprint.targets import facts
from blueprint.targets.vertex import submission

STATE = Path(".mlops/vertex")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(submission, "PAUSE", 0)


def sent(service):
    """The requests that made, or would have made, a job."""
    return service.asked("CreatePipelineJob")


def test_a_run_is_of_this_commit_and_of_the_configuration(load_vertex, service, pushed, account):
    loaded = load_vertex(
        "vertex.failure_policy=fast",
        "vertex.labels={team: vision}",
        "vertex.network=projects/123/global/networks/inside",
        "vertex.encryption_key=projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "pipeline.steps.train_model={cpu: 8, memory: 30Gi, retries: 2, cache: false, "
        "accelerator: {type: NVIDIA_TESLA_T4, count: 1}, variables: {SPEED: fast}}",
    )
    job = submission.submit(loaded)

    [request] = sent(service)
    assert request.pipeline_job_id == job
    made, name = request.pipeline_job, loaded.registry.name
    assert made.display_name.startswith(name)
    assert made.service_account == account
    assert made.network == "projects/123/global/networks/inside"
    assert made.encryption_spec.kms_key_name.endswith("/cryptoKeys/k")
    own = {"model": name, "pipeline": name, "experiment": "tests"}
    assert dict(made.labels) == {"team": "vision"} | own
    assert made.runtime_config.gcs_output_directory == "gs://digits-staging/pipelines"
    assert made.runtime_config.failure_policy.name.endswith("FAIL_FAST")
    values = dict(made.runtime_config.parameter_values)
    wanted = {"revision": facts.revision(), "lock": facts.lock_hash(), "snapshot": ""}
    assert values == wanted
    compiled = yaml.safe_load(Path("build/training.yaml").read_text())  # one document, or an error
    container = compiled["deploymentSpec"]["executors"]["exec-train-model"]["container"]
    assert container["image"] == pushed
    assert container["env"] == [{"name": "SPEED", "value": "fast"}]
    assert container["resources"]["resourceCpuLimit"] == "8"
    assert container["resources"]["resourceMemoryLimit"] == "30Gi"
    assert container["resources"]["accelerator"]["resourceType"] == "NVIDIA_TESLA_T4"
    tasks = compiled["root"]["dag"]["tasks"]
    assert tasks["train-model"]["retryPolicy"]["maxRetryCount"] == 2


def test_caching_stays_as_each_task_says(load_vertex, service):
    submission.submit(load_vertex("pipeline.steps.train_model.cache=false"))

    [request] = sent(service)
    job = type(request.pipeline_job).to_dict(request.pipeline_job)
    tasks = job["pipeline_spec"]["root"]["dag"]["tasks"]
    cached = {
        name: task.get("cachingOptions", {}).get("enableCache") for name, task in tasks.items()
    }
    assert cached["load-data"]
    assert not cached["train-model"]
    assert not cached["evaluate-model"]


def test_nothing_but_the_job_is_made(cloud, service):
    """The SDK's own submit() would make the bucket, and edit who may use it."""
    submission.submit(cloud)

    changing = [rpc for rpc, _ in service.calls if not rpc.startswith(("List", "Get", "GET"))]
    assert [rpc for rpc in changing if not rpc.startswith("POST")] == ["CreatePipelineJob"]
    posts = [rpc for rpc in changing if rpc.startswith("POST")]
    assert all(rpc.endswith((":testIamPermissions", ":getIamPolicy")) for rpc in posts), posts


def test_the_same_again_is_another_run(cloud, service):
    assert submission.submit(cloud) != submission.submit(cloud)
    assert not list(STATE.iterdir())


def test_an_answer_that_is_lost_is_asked_for_again(cloud, service, quick, capsys):
    service.lose("CreatePipelineJob")
    job = submission.submit(cloud)

    assert [request.pipeline_job_id for request in sent(service)] == [job, job]
    assert "(there already)" in capsys.readouterr().out


def test_a_hiccup_is_tried_again_and_a_rejection_is_not(cloud, service, quick):
    service.fail("CreatePipelineJob", errors.internal())
    submission.submit(cloud)
    assert len(sent(service)) == 1

    service.fail("CreatePipelineJob", errors.denied("aiplatform.pipelineJobs.create"), times=2)
    with pytest.raises(UserError, match="pipelineJobs") as caught:
        submission.submit(cloud)
    assert service.script[-1].times == 1, "it was tried again"
    assert "\n" not in str(caught.value)
    service.script.clear()
    service.fail("CreatePipelineJob", errors.invalid("pipeline_job.labels", "bad label"))
    with pytest.raises(UserError, match="bad label"):
        submission.submit(cloud)


def test_a_submit_that_is_killed_and_the_next_one_make_one_job(cloud, service):
    """Stopped before the job is made, and killed without having read the answer."""
    (Path("config") / "cloud.yaml").write_text(cloud.model_dump_json(exclude_none=True))
    command = [sys.executable, "-m", "blueprint.cli", "submit"]
    environment = {**os.environ, "MLOPS_ENV": "cloud"}
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    service.before("CreatePipelineJob", lambda: os.kill(started.pid, signal.SIGSTOP))
    while not service.pipelines.made:
        assert started.poll() is None, "it ended before it sent anything"
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "(there already)" in done.stdout
    assert len({request.pipeline_job_id for request in sent(service)}) == 1
    assert len(service.pipelines.made) == 1


def test_a_start_that_was_broken_off_long_ago_is_another_run(cloud, service, quick):
    service.fail("CreatePipelineJob", errors.internal(), times=submission.TRIES)
    with pytest.raises(UserError):
        submission.submit(cloud)
    [kept] = STATE.iterdir()
    broken_off = json.loads(kept.read_text())["job"]
    os.utime(kept, (0, 0))

    assert submission.submit(cloud) != broken_off


def test_the_sdk_is_imported_late(folder):
    code = "import sys, blueprint.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "blueprint.targets.vertex.commands" in done.stdout
    late = ("google.auth", "google.api_core", "google.cloud.", "kfp", "requests")
    assert not [name for name in done.stdout.split() if name.startswith(late)]
