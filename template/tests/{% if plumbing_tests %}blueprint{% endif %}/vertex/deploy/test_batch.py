"""`make batch` on Vertex AI: one job, followed to its end, whatever happens to the command."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import timestamp_pb2
from vertex.service.gcs import read, write
from vertex.service.wire import Answer

from blueprint.batch import commands, jobs
from blueprint.deploy import deployment
from blueprint.errors import UserError

ROWS, SCORES = "gs://digits-staging/rows.jsonl", "gs://digits-staging/scores"
IMAGE = [[0] * 8] * 8
BATCH = f"""
from blueprint import settings
from blueprint.batch import jobs

jobs.run(settings.load(), {ROWS!r}, {SCORES!r})
"""


@pytest.fixture
def deployed(project, stored):
    """A project with version 1 in service, and 100 rows in the bucket."""
    project.train()
    deployment.deploy(project.settings())
    lines = [json.dumps({"id": f"{number:03}", "image": IMAGE}) for number in range(100)]
    write(stored.gcs, ROWS, "\n".join(lines).encode())
    return project


def made(service):
    return list(service.batch.made.values())


def test_the_version_in_service_scores_a_file(deployed, stored, capsys):
    jobs.run(deployed.settings("deploy.max_replicas=3"), ROWS, SCORES)

    [job] = made(stored)
    assert job.model.endswith("/models/digits@1")
    assert job.dedicated_resources.machine_spec.machine_type == "n1-standard-2"
    assert job.dedicated_resources.starting_replica_count == 1
    assert job.dedicated_resources.max_replica_count == 3
    found = read(stored.gcs, f"{SCORES}/prediction-digits")
    lines = [line for content in found.values() for line in content.splitlines()]
    rows = [json.loads(line) for line in lines]
    assert [row["instance"]["id"] for row in rows] == [f"{number:03}" for number in range(100)]
    assert rows[7]["prediction"] == {"version": "1"}
    said = capsys.readouterr().out
    assert f"100 rows scored with digits-v1: {job.output_info.gcs_output_directory}" in said

    jobs.run(deployed.settings("deploy.max_replicas=3"), ROWS, SCORES)
    assert len(made(stored)) == 2  # the first is known to have ended: this is another


def test_the_server_gets_the_columns_that_the_model_takes(deployed, stored, monkeypatch):
    bodies, send = [], stored.serving.send

    def sending(server, content, kind):
        bodies.append(json.loads(content))
        return send(server, content, kind)

    monkeypatch.setattr(stored.serving, "send", sending)
    jobs.run(deployed.settings(), ROWS, SCORES)
    assert {tuple(row) for body in bodies for row in body["instances"]} == {("image",)}


def test_the_projects_own_server_scores(project, executing):
    pytest.importorskip("blueprint.serving.vertex_routes", reason="another server's image does")
    executing.code.variables = {"MLOPS_REGISTRY__NAME": "digits"}
    executing.code.variables["MLOPS_PREDICTION_LOG__SHARE"] = "0"
    number = project.train(3)
    write(executing.gcs, ROWS, json.dumps({"id": "007", "image": IMAGE}).encode())
    jobs.run(project.settings(), ROWS, SCORES, number)
    found = read(executing.gcs, f"{SCORES}/prediction-digits")
    [row] = [json.loads(content) for content in found.values() if content]
    assert row["instance"]["id"] == "007"
    assert max(range(10), key=row["prediction"].__getitem__) == 3


def test_another_version_is_registered_there(deployed, stored):
    deployed.train(1, promoted=False)
    jobs.run(deployed.settings(), ROWS, SCORES, "2")
    [job] = made(stored)
    assert job.model_version_id == "2"
    with pytest.raises(UserError, match="has no version 7"):
        jobs.run(deployed.settings(), ROWS, SCORES, "7")


def test_without_a_version_in_service(project, stored):
    with pytest.raises(UserError, match=r"no version is in service on endpoint digits: `make dep"):
        jobs.run(project.settings(), ROWS, SCORES)


def test_killed_and_again(deployed, stored, folder, capsys):
    loaded = deployed.settings()
    variables = {"MLOPS_ENV": "test", "MLOPS_REGISTRY__NAME": "digits"}
    for name in ("deploy", "vertex"):
        section = getattr(loaded, name).model_dump(mode="json", exclude_unset=True)
        variables[f"MLOPS_{name.upper()}"] = json.dumps(section)
    process = subprocess.Popen(
        [sys.executable, "-c", BATCH], cwd=folder, env=os.environ | variables
    )
    stored.before("CreateBatchPredictionJob", process.kill)
    assert process.wait(180) == -signal.SIGKILL

    jobs.run(loaded, ROWS, SCORES)
    assert len(made(stored)) == 1
    assert "is taken up" in capsys.readouterr().out


def test_an_answer_that_is_lost_and_a_job_that_is_old(deployed, stored):
    def lost():
        stored.lose("CreateBatchPredictionJob")
        with pytest.raises(UserError, match="does not answer"):
            jobs.run(deployed.settings(), ROWS, SCORES)

    lost()
    jobs.run(deployed.settings(), ROWS, SCORES)
    assert len(made(stored)) == 1
    lost()
    jobs.run(deployed.settings(), ROWS, SCORES, force=True)
    assert len(made(stored)) == 3
    lost()
    job = made(stored)[-1]
    while not job.end_time:
        time.sleep(0.01)
    job.end_time = timestamp_pb2.Timestamp(
        seconds=int((datetime.now(UTC) - timedelta(hours=2)).timestamp())
    )
    jobs.run(deployed.settings(), ROWS, SCORES)
    assert len(made(stored)) == 5


def test_a_job_that_fails_says_why(deployed, stored):
    stored.serving.broken["1"] = 500
    with pytest.raises(
        UserError, match=r"ends: 100 rows failed; No prediction succeeded; .*broken"
    ):
        jobs.run(deployed.settings(), ROWS, SCORES)


def test_rows_that_fail_are_an_error_unless_they_are_in_quarantine(
    deployed, stored, monkeypatch, capsys
):
    send = stored.serving.send

    def sending(server, content, kind):
        wrong = len(json.loads(content)["instances"]) < 64  # the second of two batches
        return Answer(b"no", "text/plain", {}, 400) if wrong else send(server, content, kind)

    monkeypatch.setattr(stored.serving, "send", sending)
    text = "64 rows scored with digits-v1: gs://.*; 36 rows failed"
    with pytest.raises(UserError, match=f"{text}: batch.quarantine=true takes that"):
        jobs.run(deployed.settings(), ROWS, SCORES)
    jobs.run(deployed.settings("batch.quarantine=true"), ROWS, SCORES)
    assert "36 rows failed" in capsys.readouterr().out


def test_a_table_of_bigquery_is_given_as_objects(deployed, stored):
    """The service on loopback runs none: what it is asked is all that is tested."""
    table, output = "bq://digits-staging.shop.orders", "bq://digits-staging.scores"
    with pytest.raises(UserError, match="not served on loopback"):
        jobs.run(deployed.settings(), table, output)
    [request] = stored.asked("CreateBatchPredictionJob")
    job = request.batch_prediction_job
    assert job.input_config.instances_format == "bigquery"
    assert job.input_config.bigquery_source.input_uri == table
    assert job.instance_config.instance_type == "object"
    assert list(job.instance_config.included_fields) == ["image"]
    assert job.output_config.predictions_format == "bigquery"
    assert job.output_config.bigquery_destination.output_uri == output


def test_where_rows_are_scored(deployed, monkeypatch):
    scored = []
    loaded = deployed.settings()
    monkeypatch.setattr("blueprint.settings.load", lambda **_: loaded)
    monkeypatch.setattr(jobs, "run", lambda *given, **_: scored.append(given[1]))
    monkeypatch.setattr("blueprint.batch.target.run", lambda *given, **_: scored.append("here"))
    for source in (ROWS, "bq://a.b.c", "rows.jsonl", "rows.csv", "gs://bucket/rows.csv"):
        commands.batch(source, SCORES)
    assert scored == [ROWS, "bq://a.b.c", "here", "here", "here"]


def test_an_output_of_this_machine(project):
    with pytest.raises(UserError, match=r"OUTPUT=scores.csv: Vertex AI writes to gs://"):
        jobs.run(project.settings(), ROWS, "scores.csv")
