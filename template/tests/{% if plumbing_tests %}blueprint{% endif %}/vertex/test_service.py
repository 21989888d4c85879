"""The loopback service by the clients that it is for: the SDK, google-cloud-storage and obstore."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud import aiplatform_v1 as v1
from kfp import compiler, dsl
from outside import free_port
from vertex.conftest import LOCATION
from vertex.service import errors

PARENT = f"projects/digits-staging/locations/{LOCATION}"
NUMBERED = f"projects/123456789012/locations/{LOCATION}"
IMAGE = f"{LOCATION}-docker.pkg.dev/digits-staging/ml/serving@sha256:1"
ROOT = "gs://digits-staging/pipelines"
STATE = v1.PipelineState


@dsl.component(base_image="python:3.12", install_kfp_package=False)
def load(rows: int) -> str:
    print(f"{rows} rows are loaded")
    if rows < 0:
        raise ValueError("there are no such rows")
    return str(rows) if rows else "none"


@dsl.component(base_image="python:3.12", install_kfp_package=False)
def train(text: str) -> str:
    return text


@dsl.pipeline(name="training")
def training(rows: int, note: str = ""):
    loaded = load(rows=rows)
    trained = train(text=loaded.output)
    with dsl.If(trained.output != "none", name="promoted"):
        train(text=note)


@pytest.fixture
def sdk(service):
    """The SDK, led to the service."""
    aiplatform.init(
        project=service.project,
        location=LOCATION,
        credentials=AnonymousCredentials(),
        api_endpoint=service.url,
        api_transport="rest",
    )
    return aiplatform


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "training.yaml"
    compiler.Compiler().compile(training, str(path))
    return str(path)


@pytest.fixture
def job(sdk, spec):
    """A job that was not sent yet."""
    given = {"template_path": spec, "pipeline_root": ROOT, "parameter_values": {"rows": 3}}
    return sdk.PipelineJob(display_name="training", job_id="training-1", **given)


@pytest.fixture
def send(service, job):
    """Send the job as the project does, by the SDK's client of the service."""
    client = v1.PipelineServiceClient(
        credentials=AnonymousCredentials(),
        transport="rest",
        client_options={"api_endpoint": service.url},
    )

    def sent(identity="training-1"):
        body = job._gca_resource
        return client.create_pipeline_job(
            parent=PARENT, pipeline_job=body, pipeline_job_id=identity
        )

    sent.client = client
    return sent


def to_the_end(client, name):
    """Look at a job until it has ended, and return what was seen of it each time."""
    seen = [client.get_pipeline_job(name=name)]
    while not seen[-1].end_time and len(seen) < 30:
        seen.append(client.get_pipeline_job(name=name))
    return seen


def states(job):
    return {each.task_name: each.state.name for each in job.job_detail.task_details}


def test_a_job_runs_task_by_task_to_its_end(send):
    made = send()
    assert (made.name, made.state) == (f"{NUMBERED}/pipelineJobs/training-1", STATE(2))
    seen = to_the_end(send.client, made.name)
    assert states(seen[1]) == {"training-1": "RUNNING", "load": "SUCCEEDED"}
    assert seen[-1].state == STATE.PIPELINE_STATE_SUCCEEDED
    names = ["training-1", "load", "train", "condition-1", "train-2"]
    assert states(seen[-1]) == dict.fromkeys(names, "SUCCEEDED")
    details = {each.task_name: each for each in seen[-1].job_detail.task_details}
    assert details["train-2"].parent_task_id == details["condition-1"].task_id


def test_the_same_id_is_one_job_although_an_answer_was_lost(service, send):
    service.lose("CreatePipelineJob")
    with pytest.raises(requests.ConnectionError):
        send()
    with pytest.raises(exceptions.Conflict, match="training-1 already exists"):
        send()
    assert len(service.pipelines.made) == 1


def test_a_job_fails_is_cancelled_waits_or_finds_no_machine(service, send):
    for number, (kind, state) in enumerate(
        {"fail:train:no rows": 5, "cancel": 7, "stuck": 3, "quota": 5}.items()
    ):
        service.plan(kind)
        last = to_the_end(send.client, send(f"training-{number}").name)[-1]
        assert last.state == STATE(state), kind
        if kind == "quota":
            assert "custom_model_training_cpus" in last.error.message
        if number == 0:
            assert last.error.message.endswith("The failed tasks are: [train].")
            failed = next(e for e in last.job_detail.task_details if e.task_name == "train")
            main = failed.executor_detail.container_detail.main_job
            query = {"resourceNames": ["projects/digits-staging"]}
            query["filter"] = f'resource.labels.job_id="{main.rpartition("/")[2]}"'
            found = requests.post(f"{service.url}/v2/entries:list", json=query).json()
            assert [each["textPayload"] for each in found["entries"]] == ["no rows"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (errors.invalid("pipeline_job", "wrong"), exceptions.BadRequest, "fieldViolations"),
        (errors.denied("aiplatform.pipelineJobs.create"), exceptions.Forbidden, "Jobs.create"),
        (errors.not_found("x"), exceptions.NotFound, "x"),
        (errors.too_many(2), exceptions.TooManyRequests, "'retryDelay': '2s'"),
        (errors.quota(), exceptions.TooManyRequests, "QuotaFailure"),
        (errors.internal(), exceptions.InternalServerError, "Internal"),
    ],
)
def test_errors_arrive_as_the_service_words_them_and_only_once(service, send, error, kind, text):
    service.fail("CreatePipelineJob", error)
    with pytest.raises(kind, match=text):
        send()
    assert send().name


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"surprise": 1}, "pipeline_job"),
        ({"pipelineSpec": {"surprise": 1}}, "pipeline_job.pipeline_spec"),
        ({"labels": {"Upper": "x"}}, "labels"),
        (
            {"runtimeConfig": {"gcsOutputDirectory": "gs://b", "parameterValues": {"x": 1}}},
            "pipeline_job.runtime_config.parameter_values",
        ),
        (
            {"runtimeConfig": {"gcsOutputDirectory": "gs://b"}},
            "pipeline_job.runtime_config.parameter_values",
        ),
        (
            {"runtimeConfig": {"gcsOutputDirectory": "/tmp"}},
            "pipeline_job.runtime_config.gcs_output_directory",
        ),
    ],
)
def test_what_the_service_would_not_take_is_rejected_by_its_field(service, job, change, where):
    body = json.loads(
        v1.PipelineJob.to_json(job._gca_resource, including_default_value_fields=False)
    )
    answer = requests.post(f"{service.url}/v1/{PARENT}/pipelineJobs", json=body | change)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["field"] == where
    assert not service.pipelines.made


def test_a_job_really_runs(executing, send, job):
    values = job._gca_resource.runtime_config.parameter_values
    client, found = send.client, {}
    for name, rows in {"new": 3, "same": 3, "none": 0, "wrong": -1}.items():
        values["rows"] = rows
        made = send(f"training-{name}")
        while not (last := client.get_pipeline_job(name=made.name)).end_time:
            time.sleep(0.1)
        found[name] = last
    seen = {name: list(states(each).values())[1:] for name, each in found.items()}
    assert seen["new"] == ["SUCCEEDED"] * 4
    assert seen["same"] == ["SKIPPED", "SKIPPED", "SUCCEEDED", "SKIPPED"]
    assert seen["none"] == ["SUCCEEDED", "SUCCEEDED", "NOT_TRIGGERED"]
    assert seen["wrong"] == ["FAILED"]
    assert found["wrong"].error.message.endswith("The failed tasks are: [load].")
    lines = list(executing.pipelines.logs.values())
    assert "3 rows are loaded" in lines[0]
    assert any("there are no such rows" in line for line in lines[-1])


def test_who_has_no_login_is_asked_for_one(service):
    service.token = "secret"
    url = f"{service.url}/v1/{PARENT}/pipelineJobs"
    answer = requests.get(url, headers={"Authorization": "Bearer old"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert requests.get(url, headers={"Authorization": "Bearer secret"}).ok


def test_lists_are_filtered_ordered_and_given_by_the_page(service, send):
    service.plan("fail:load")
    for number in range(3):
        to_the_end(send.client, send(f"training-{number}").name)
    request = {"parent": PARENT, "filter": 'state!="PIPELINE_STATE_FAILED"', "page_size": 1}
    found = [each.name[-1] for each in send.client.list_pipeline_jobs(request=request)]
    assert found == ["2", "1"]
    with pytest.raises(exceptions.BadRequest, match="Invalid filter"):
        send.client.list_pipeline_jobs(request={"parent": PARENT, "filter": "a OR b"})


def test_a_schedule_is_made_changed_paused_fired_and_deleted(service, sdk, job):
    schedule = sdk.PipelineJobSchedule(pipeline_job=job, display_name="nightly")
    schedule.create(cron="TZ=Europe/Berlin 30 3 * * 1-5", max_concurrent_run_count=1)
    kept = service.pipelines.schedules[schedule.resource_name]
    assert (kept.next_run_time.hour, kept.next_run_time.minute) in [(1, 30), (2, 30)]
    schedule.update(cron="TZ=UTC 0 4 * * *")
    assert schedule.cron == "TZ=UTC 0 4 * * *"
    schedule.pause()
    assert service.pipelines.fire(schedule.resource_name) is None
    schedule.resume()
    assert service.pipelines.fire(schedule.resource_name).schedule_name == schedule.resource_name
    assert [each.name for each in sdk.PipelineJobSchedule.list(filter='display_name="nightly"')]
    schedule.delete()
    assert not service.pipelines.schedules


@pytest.mark.parametrize("cron", ["0 0 3 * * *", "61 3 * * *", "TZ=Mars/Base 0 3 * * *", "daily"])
def test_a_schedule_has_five_fields_and_a_known_time_zone(sdk, job, cron):
    with pytest.raises(exceptions.BadRequest, match="cron"):
        sdk.PipelineJobSchedule(pipeline_job=job, display_name="x").create(cron=cron)


@pytest.fixture
def upload(sdk):
    def uploaded(number, parent=None):
        return sdk.Model.upload(
            display_name="digits",
            parent_model=parent,
            is_default_version=parent is None,
            serving_container_image_uri=IMAGE,
            artifact_uri=f"gs://digits-staging/models/{number}",
            version_aliases=[f"v{number}"],
            labels={"mlflow_version": str(number)},
        )

    return uploaded


@pytest.fixture
def endpoint(sdk, upload):
    """An endpoint with two versions, the second with a tenth of the requests."""
    first = upload(1)
    second = upload(2, first.resource_name)
    made = sdk.Endpoint.create(display_name="digits")
    for model, share in ((first, 100), (second, 10)):
        name = f"digits-v{model.version_id}"
        made.deploy(
            model,
            machine_type="n1-standard-2",
            deployed_model_display_name=name,
            traffic_percentage=share,
        )
    return made


def test_versions_of_one_model_and_their_aliases(sdk, upload):
    first = upload(1)
    second = upload(2, first.resource_name)
    assert (first.version_id, first.version_aliases) == ("1", ["v1", "default"])
    registry = sdk.models.ModelRegistry(first.resource_name)
    for version in ("1", "2"):
        registry.add_version_aliases(["champion"], version)
    found = {each.version_id: each.version_aliases for each in registry.list_versions()}
    assert found == {"1": ["v1", "default"], "2": ["v2", "champion"]}
    assert sdk.Model(f"{first.resource_name}@champion").version_id == second.version_id
    with pytest.raises(exceptions.NotFound):
        sdk.Model(f"{first.resource_name}@v3")


def test_requests_are_split_and_moved_between_versions(service, sdk, endpoint):
    ids = {each.display_name: each.id for each in endpoint.list_models()}
    assert endpoint.traffic_split == {ids["digits-v1"]: 90, ids["digits-v2"]: 10}
    answers = [endpoint.predict(instances=[{"x": 1}]) for _ in range(20)]
    assert Counter(each.model_version_id for each in answers) == {"1": 18, "2": 2}
    with pytest.raises(exceptions.BadRequest, match="add up to 100"):
        endpoint.update(traffic_split={ids["digits-v1"]: 50})
    endpoint.update(traffic_split={ids["digits-v2"]: 100})
    endpoint.undeploy(ids["digits-v1"])
    assert endpoint.predict(instances=[1]).predictions == [{"version": "2"}]
    name = "aiplatform.googleapis.com/prediction/online/prediction_count"
    query = {"filter": f'metric.type="{name}" AND resource.labels.endpoint_id="{endpoint.name}"'}
    series = requests.get(f"{service.url}/v3/projects/digits-staging/timeSeries", query).json()
    counts = {
        each["metric"]["labels"]["deployed_model_id"]: each["points"][0]["value"]["int64Value"]
        for each in series["timeSeries"]
    }
    assert counts == {ids["digits-v1"]: "18", ids["digits-v2"]: "3"}


def test_a_request_may_have_a_megabyte_and_a_half(endpoint):
    with pytest.raises(exceptions.BadRequest, match=r"exceeds 1\.500MB limit"):
        endpoint.predict(instances=["x" * 1_600_000])


def test_a_dedicated_endpoint_answers_at_its_own_address(service, sdk, upload):
    made = sdk.Endpoint.create(display_name="digits", dedicated_endpoint_enabled=True)
    made.deploy(upload(1), machine_type="n1-standard-2", traffic_percentage=100)
    path, body = f"/v1/{made.resource_name}:predict", {"instances": [1]}
    rejected = requests.post(service.url + path, json=body).json()["error"]
    assert made.dedicated_endpoint_dns in rejected["message"]
    found = requests.post(f"http://{made.dedicated_endpoint_dns}{path}", json=body).json()
    assert found["predictions"] == [{"version": "1"}]


def test_a_version_that_does_not_start_changes_nothing(service, sdk, endpoint, upload):
    before = endpoint.traffic_split
    service.serving.broken["3"] = "start"
    model = upload(3, endpoint.list_models()[0].model)
    with pytest.raises(exceptions.FailedPrecondition, match="never became ready"):
        endpoint.deploy(model, machine_type="n1-standard-2", traffic_percentage=10)
    assert sdk.Endpoint(endpoint.resource_name).traffic_split == before


def test_two_operations_on_one_endpoint_do_not_go_together(service, endpoint, upload):
    service.seconds = 0.5
    started = service.endpoints.undeploy_model(
        v1.UndeployModelRequest(
            endpoint=endpoint.resource_name,
            deployed_model_id=endpoint.list_models()[1].id,
            traffic_split={endpoint.list_models()[0].id: 100},
        )
    )
    with pytest.raises(exceptions.BadRequest, match="other operations running"):
        endpoint.delete(force=True)
    time.sleep(0.6)
    found = requests.get(f"{service.url}/v1/{started.name}").json()
    assert found["done"]
    assert len(endpoint.list_models()) == 1


def test_what_is_deployed_is_not_deleted(sdk, endpoint):
    model = sdk.Model(endpoint.list_models()[0].model)
    with pytest.raises(exceptions.BadRequest, match="is deployed to the Endpoint"):
        model.delete()
    endpoint.undeploy_all()
    model.delete()
    assert not sdk.Model.list()


def test_the_store_is_read_and_written_by_both_clients(stored):
    import obstore
    from google.cloud import storage
    from obstore.exceptions import AlreadyExistsError
    from obstore.store import from_url

    store = from_url("gs://digits-staging/data", client_options={"allow_http": True})
    bucket = storage.Client(project="digits-staging", credentials=AnonymousCredentials()).bucket(
        "digits-staging"
    )
    large = bytes(12_000_000)  # in parts
    obstore.put(store, "large.bin", large)
    bucket.blob("data/small.txt").upload_from_string("small")
    assert bucket.blob("data/large.bin").download_as_bytes() == large
    assert bytes(obstore.get(store, "small.txt").bytes()) == b"small"
    names = {each["path"] for page in obstore.list(store) for each in page}
    assert names == {"large.bin", "small.txt"}
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "small.txt", b"again", mode="create")
    obstore.delete(store, "small.txt")
    assert not bucket.blob("data/small.txt").exists()


def test_it_runs_by_itself(gcs_program):
    port = free_port()
    command = [sys.executable, "-m", "vertex.service", "--port", str(port)]
    started = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    assert started.stdout.readline().decode() == f"vertex.api_endpoint=http://127.0.0.1:{port}\n"
    assert requests.get(f"http://127.0.0.1:{port}/v1/{PARENT}/models").json() == {}
    started.terminate()
    assert started.wait(30) == 0


def test_files_are_predicted_in_bulk(stored, sdk, upload):
    from vertex.service.gcs import read, write

    lines = "\n".join(json.dumps({"x": number}) for number in range(100))
    write(stored.gcs, "gs://digits-staging/rows.jsonl", lines.encode())
    done = upload(1).batch_predict(
        job_display_name="rows",
        gcs_source="gs://digits-staging/rows.jsonl",
        gcs_destination_prefix="gs://digits-staging/out",
        machine_type="n1-standard-2",
    )
    assert done.state == v1.JobState.JOB_STATE_SUCCEEDED
    found = read(stored.gcs, f"{done.output_info.gcs_output_directory}/prediction.results")
    rows = [json.loads(line) for line in next(iter(found.values())).splitlines()]
    assert len(rows) == 100
    assert rows[7] == {"instance": {"x": 7}, "prediction": {"version": "1"}}
