"""`make deploy`, `status` and `rollback` against Vertex AI's own messages, with the real SDK."""

import subprocess
import sys

import pytest
from vertex.service import errors

from blueprint.deploy import commands, deployment, in_pod
from blueprint.deploy.status import show
from blueprint.errors import UserError
from blueprint.model import digest


def served(service):
    """What is deployed: names and shares."""
    [endpoint] = service.endpoints.made.values()
    split = endpoint.traffic_split
    return {each.display_name: split.get(each.id, 0) for each in endpoint.deployed_models}


def versions(service):
    """The versions of the one model, in their order."""
    [model] = service.models.versions.values()
    return list(model.values())


def asked(service, rpc):
    return [message for name, message in service.calls if name == rpc]


def test_the_endpoint_is_there_before_the_first_model(project, stored):
    with pytest.raises(UserError, match="digits has no champion yet"):
        deployment.deploy(project.settings())
    [endpoint] = stored.endpoints.made.values()
    assert endpoint.name.endswith("/endpoints/digits")
    assert endpoint.dedicated_endpoint_enabled


def test_a_version_is_registered_deployed_and_asked(project, stored, capsys):
    number = project.train()
    deployment.deploy(project.settings())

    assert served(stored) == {"digits-v1": 100}
    [version] = versions(stored)
    champion = project.registry().version(number)
    files = digest(project.folder / "model 0")
    assert set(version.version_aliases) == {"v1", "champion", "default"}
    assert dict(version.labels) == {
        "mlflow_version": "1",
        "model_sha256": files[:32],
        "data_sha256": "b" * 32,
        "commit": "c" * 40,
        "image": "a" * 32,
    }
    assert champion.tags["model.files_sha256"] == files
    spec = version.container_spec
    assert spec.predict_route == "/v1/models/digits:predict"
    assert spec.health_route == "/v1/models/digits"
    assert spec.ports[0].container_port == 8080
    assert {each.name: each.value for each in spec.env} == {
        "MLOPS_ENV": "local",
        "MODEL_VERSION": "1",
        "MODEL_SHA256": files,
        "MODEL_REQUEST_MB": "10",
    }
    assert version.artifact_uri == f"gs://digits-staging/pipelines/models/digits/1-{files[:12]}"
    [predicted] = asked(stored, "Predict")
    assert len(predicted.instances) == 2
    said = capsys.readouterr().out
    assert "version 1" in said
    assert "answers at http://" in said


def test_the_same_twice_changes_nothing(project, stored):
    project.train()
    deployment.deploy(project.settings())
    deployment.deploy(project.settings())
    assert len(versions(stored)) == 1
    assert served(stored) == {"digits-v1": 100}
    assert len(asked(stored, "UploadModel")) == len(asked(stored, "DeployModel")) == 1


def test_the_next_version_takes_over_and_the_old_one_goes(project, stored):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    deployment.deploy(project.settings())
    assert served(stored) == {"digits-v2": 100}
    old, new = versions(stored)
    assert "champion" in new.version_aliases
    assert "champion" not in old.version_aliases
    assert "v1" in old.version_aliases


def test_machines_and_bounds_are_those_of_the_configuration(project, stored):
    project.train()
    account = "deploy.service_account=serving@digits-staging.iam.gserviceaccount.com"
    gpu = 'deploy.accelerator={"type": "NVIDIA_TESLA_T4", "count": 1}'
    project.given += [account, gpu, "deploy.max_replicas=3"]
    deployment.deploy(project.settings())
    [message] = asked(stored, "DeployModel")
    resources = message.deployed_model.dedicated_resources
    assert (resources.min_replica_count, resources.max_replica_count) == (1, 3)
    assert resources.machine_spec.accelerator_type.name == "NVIDIA_TESLA_T4"
    assert message.deployed_model.service_account.startswith("serving@")
    deployment.deploy(project.settings("deploy.max_replicas=5"))  # another machine, the same model
    assert served(stored) == {"digits-v1": 100}
    assert len(versions(stored)) == 1


@pytest.mark.parametrize("how", ["start", 500])
def test_a_version_that_does_not_answer_is_taken_back(project, stored, how):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    stored.serving.broken["2"] = how
    with pytest.raises(UserError, match="digits-v1 serves on") as error:
        deployment.deploy(project.settings())
    assert "version 2" in str(error.value)
    assert served(stored) == {"digits-v1": 100}
    del stored.serving.broken["2"]
    deployment.deploy(project.settings())
    assert served(stored) == {"digits-v2": 100}
    assert len(versions(stored)) == 2


def test_a_first_version_that_does_not_answer_leaves_nothing(project, stored):
    project.train()
    stored.serving.broken["1"] = 503
    with pytest.raises(UserError, match="no version is served"):
        deployment.deploy(project.settings())
    assert served(stored) == {}


@pytest.mark.parametrize("rpc", ["CreateEndpoint", "UploadModel", "DeployModel", "UpdateEndpoint"])
def test_a_command_that_ends_in_the_middle_is_taken_up(project, stored, rpc):
    """The request arrived, its answer did not, and the work takes a while on the other side."""
    project.train()
    stored.seconds = 0.5
    stored.lose(rpc)
    with pytest.raises(UserError):
        deployment.deploy(project.settings())
    deployment.deploy(project.settings())
    assert len(versions(stored)) == 1
    assert served(stored) == {"digits-v1": 100}


def test_a_step_of_a_pipeline_does_the_same(project, stored):
    number = project.train()
    loaded = project.settings()
    sections = loaded.deploy.resolved(loaded).model_dump(mode="json", exclude_none=True)
    vertex = loaded.vertex.model_dump(mode="json", exclude_none=True)
    said = []
    line = in_pod.deploy(sections, vertex, project.registry(), number, said.append)
    assert served(stored) == {"digits-v1": 100}
    assert line.startswith("version 1")


def test_what_is_still_starting_is_said_and_taken_up(project, stored, capsys):
    project.train()
    stored.seconds = 3
    with pytest.raises(UserError, match=r"not done after 1 s .*no version is served"):
        deployment.deploy(project.settings("deploy.timeout_seconds=1"))
    assert "it is still starting" in capsys.readouterr().out
    deployment.deploy(project.settings())
    assert served(stored) == {"digits-v1": 100}
    assert len(asked(stored, "DeployModel")) == 1


def test_settings_that_cannot_be(project):
    for given, problem in {
        "deploy.min_replicas=3": "min_replicas is more than max_replicas",
        "deploy.endpoint=Digits": "small letters, digits and -",
        "deploy.models=s3://bucket": "expected gs://bucket/folder",
        'deploy.request_log={"table": "requests"}': "project.dataset.table",
        "deploy.replicas=3": "no such key",
    }.items():
        with pytest.raises(UserError, match=problem):
            project.settings(given)
    assert project.settings("deploy.endpoint=4242424242").deploy.endpoint == "4242424242"


def test_a_rejected_version_is_not_served(project, stored):
    project.train(accepted=False)
    with pytest.raises(UserError, match="version 1 was rejected"):
        deployment.deploy(project.settings())
    assert not asked(stored, "UploadModel")


def test_a_missing_image_and_a_missing_right_are_named(project, stored):
    project.train()
    with pytest.raises(UserError, match=r"`make images`, then `make push`"):
        deployment.deploy(project.settings("deploy.image=null"))
    stored.fail("UploadModel", errors.denied("aiplatform.models.upload"))
    with pytest.raises(UserError, match=r"aiplatform\.models\.upload"):
        deployment.deploy(project.settings())


def test_an_endpoint_that_cannot_become_what_is_asked(project, stored):
    project.train()
    deployment.deploy(project.settings())
    with pytest.raises(UserError, match="has an address of its own"):
        deployment.deploy(project.settings("deploy.dedicated=false"))


def test_requests_are_logged_where_the_configuration_says(project, stored):
    project.train()
    deployment.deploy(project.settings())
    log = 'deploy.request_log={"table": "digits-staging.serving.requests", "sampling": 0.5}'
    for _ in range(2):
        deployment.deploy(project.settings(log))
    [endpoint] = stored.endpoints.made.values()
    found = endpoint.predict_request_response_logging_config
    assert found.bigquery_destination.output_uri == "bq://digits-staging.serving.requests"
    assert found.sampling_rate == 0.5
    masks = [each.update_mask.paths for each in asked(stored, "UpdateEndpoint")]
    assert masks.count(["predict_request_response_logging_config"]) == 1


def test_status_compares_with_the_registry(project, stored, capsys):
    assert show(project.settings()) == 1
    project.train()
    deployment.deploy(project.settings())
    capsys.readouterr()
    assert show(project.settings()) == 0
    said = capsys.readouterr().out
    files = digest(project.folder / "model 0")
    assert f"1 ({files[:12]})" in said
    assert "100 %" in said
    assert "It is the registry's champion." in said
    project.train(1)
    assert show(project.settings()) == 1
    assert "version 2 is the registry's champion" in capsys.readouterr().out


def test_to_look_takes_no_sdk():
    """It takes seconds to import, and `status` and `doctor` only read."""
    code = "import sys; from blueprint.deploy import commands, rows, status; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "blueprint.targets.vertex.client" in done.stdout.split()
    assert not [each for each in done.stdout.split() if "aiplatform" in each]


def test_rollback_serves_the_champion_before(project, stored, monkeypatch, capsys):
    for answer in (0, 1):
        project.train(answer)
        deployment.deploy(project.settings())
    registry = project.registry()
    configurations = iter([project.settings("deploy.image=null"), project.settings()])
    monkeypatch.setattr("blueprint.settings.load", lambda: next(configurations))
    with pytest.raises(UserError, match="no registry has the serving image"):
        commands.deploy_previous("it was worse")
    assert registry.champion().number == "2"  # nothing was changed
    commands.deploy_previous("it was worse")
    assert served(stored) == {"digits-v1": 100}
    old, _ = versions(stored)
    assert "champion" in old.version_aliases
    assert "version 1 is the champion again" in capsys.readouterr().out


def test_doctor_names_what_a_deployment_lacks(project, stored, monkeypatch):
    loaded = project.settings()
    monkeypatch.setattr("blueprint.settings.load", lambda: loaded)
    rows = {name: run for name, run, _ in commands.checks()}
    assert "`make deploy` makes it" in rows["endpoint"]()
    assert rows["rights there"]() == "deploy, follow and take back"
    assert rows["serving image"]().endswith("a" * 64)
    stored.ground.lacking.add("aiplatform.endpoints.deploy")
    with pytest.raises(UserError, match=r"you may not aiplatform\.endpoints\.deploy: who owns"):
        rows["rights there"]()
    with pytest.raises(UserError, match="no version answers"):
        rows["served there"]()
    loaded = loaded.model_copy(
        update={"deploy": loaded.deploy.model_copy(update={"image": "docker.io/team/digits:1"})}
    )
    rows = {name: run for name, run, _ in commands.checks()}
    with pytest.raises(UserError, match="Artifact Registry alone"):
        rows["serving image"]()
