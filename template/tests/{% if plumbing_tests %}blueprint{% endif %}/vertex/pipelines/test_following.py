"""`make submit WAIT=1`: what is shown of a run as it goes on, and how it ends."""

import re

import pytest
from vertex.service import errors

from blueprint.errors import UserError
from blueprint.targets.vertex import following, submission


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(following, "LOG_TRIES", 1)


def test_each_step_is_shown(cloud, service, capsys):
    job = submission.submit(cloud, wait=True)

    printed = capsys.readouterr().out
    assert f"run {job} (new): https://console.cloud.google.com/vertex-ai/" in printed
    steps = re.findall(r"✓ (\w+)", printed)
    assert steps == ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]


def test_what_a_step_says_is_shown(cloud, service, capsys):
    job = submission.submit(cloud)

    def printed():
        """The log of the verdict's task, once there is one."""
        [made] = service.pipelines.made.values()
        for task in made.job_detail.task_details:
            number = task.executor_detail.container_detail.main_job.rpartition("/")[2]
            if task.task_name == "evaluate-model":
                service.pipelines.logs[number] = ["noise", "[evaluate_model] says: rejected"]

    service.before("GetPipelineJob", printed, times=99)
    steps = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
    following.follow(cloud.vertex, job, steps)
    shown = capsys.readouterr().out
    assert re.search(r"✓ evaluate_model .* rejected", shown)
    assert "noise" not in shown


def test_a_failed_step_is_shown_with_the_end_of_its_log(cloud, service, capsys):
    service.plan("fail:train-model:[train_model] failed: ValueError: no such optimizer")
    with pytest.raises(UserError, match="train_model: ValueError: no such optimizer") as caught:
        submission.submit(cloud, wait=True)

    printed = capsys.readouterr().out
    assert "✓ load_data" in printed
    assert "✗ train_model" in printed
    assert "evaluate_model" not in printed
    assert "https://console.cloud.google.com/" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "no such optimizer" in printed


def test_a_step_that_printed_nothing_has_the_words_of_vertex(cloud, service):
    service.plan("fail:train-model")
    with pytest.raises(UserError, match="train_model: The replica workerpool0-0 exited"):
        submission.submit(cloud, wait=True)


@pytest.mark.parametrize(("plan", "text"), [("cancel", "cancel"), ("quota", "quota")])
def test_other_ends_are_named(plan, text, cloud, service):
    service.plan(plan)
    with pytest.raises(UserError, match=f"(?i){text}"):
        submission.submit(cloud, wait=True)


def test_some_answers_may_be_missing(cloud, service):
    service.fail("GetPipelineJob", errors.internal(), times=2)
    submission.submit(cloud, wait=True)

    service.fail("GetPipelineJob", errors.not_found("it"), times=following.PATIENCE)
    with pytest.raises(UserError, match="Google Cloud"):
        submission.submit(cloud, wait=True)
