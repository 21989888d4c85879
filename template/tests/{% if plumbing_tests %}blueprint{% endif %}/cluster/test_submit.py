"""`make submit`, `make schedule`, `make runs`: what they ask of the API, and what they print.

These run against a real Kubeflow Pipelines too: KFP_ENDPOINT=…, KFP_NAMESPACE=…, KUBEFLOW_TOKEN=….
"""

import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from blueprint.errors import UserError
from blueprint.targets import facts
from blueprint.targets.kubeflow import listing, schedules, submission


@pytest.fixture
def submit(client):
    """Submit, and stop the run afterwards where pods would run."""
    started = []

    def submit(loaded):
        started.append(submission.submit(loaded))
        return started[-1]

    yield submit
    for identity in started if "KFP_ENDPOINT" in os.environ else ():
        client.terminate_run(identity)


@pytest.fixture
def scheduled(cluster):
    yield
    schedules.unschedule(cluster)


def test_a_run_is_of_the_pipelines_version_and_of_this_commit(cluster, client, submit):
    run = client.get_run(submit(cluster))

    experiment = client.get_experiment(experiment_name="tests")
    assert run.experiment_id == experiment.experiment_id
    assert run.display_name.startswith(cluster.registry.name)
    assert run.runtime_config.parameters == {
        "revision": facts.revision(),
        "lock": facts.lock_hash(),
        "snapshot": "",
    }
    reference = run.pipeline_version_reference
    version = client.get_pipeline_version(reference.pipeline_id, reference.pipeline_version_id)
    assert re.fullmatch(r"[a-z0-9]+(-dirty)?-[0-9a-f]{8}", version.display_name)
    spec = version.pipeline_spec["pipeline_spec"]
    assert spec["pipelineInfo"]["name"] == cluster.registry.name
    for executor in spec["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"].startswith("registry.example.com/team/")
    given = spec["root"]["inputDefinitions"]["parameters"]
    assert given["registry"]["defaultValue"]["tracking_uri"] == "http://mlflow.team:5000"
    assert given["store"]["defaultValue"] == ""


def test_the_same_again_is_another_run_of_the_same_version(cluster, client, submit, capsys):
    first, second = submit(cluster), submit(cluster)

    assert first != second
    versions = {
        client.get_run(each).pipeline_version_reference.pipeline_version_id
        for each in (first, second)
    }
    assert len(versions) == 1
    printed = capsys.readouterr().out
    assert "(there already)" in printed
    assert f"/#/runs/details/{second}" in printed
    assert "Experiment details" not in printed


def test_another_process_uploads_the_same_once(load_cluster, fake):
    """KFP writes a pipeline's defaults into its comments, in another order in each process."""
    cluster = load_cluster(fake.endpoint)
    command = [sys.executable, "-m", "blueprint.cli", "submit"]
    command += [f"kubeflow.{key}={getattr(cluster.kubeflow, key)}" for key in ("endpoint", "auth")]
    command += ["registry.tracking_uri=http://mlflow.team:5000", "serving.store=null"]
    for seed in ("1", "2"):
        variables = os.environ | {"MLOPS_ENV": "test", "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=180)
        assert done.returncode == 0, done.stderr

    assert "(there already)" in done.stdout
    assert len(fake.bodies("POST", "/pipelines/upload_version")) == 1
    assert len(fake.bodies("POST", "/runs")) == 2


def test_another_configuration_is_another_version(cluster, client, submit):
    first = submit(cluster)
    other = cluster.model_copy(update={"train": {**cluster.train, "seed": 99}})
    second = submit(other)

    versions = [client.get_run(each).pipeline_version_reference for each in (first, second)]
    assert versions[0].pipeline_id == versions[1].pipeline_id
    assert versions[0].pipeline_version_id != versions[1].pipeline_version_id


def test_a_schedule_is_made_kept_changed_and_ended(cluster, client, scheduled, capsys):
    def there():
        experiment = client.get_experiment(experiment_name="tests").experiment_id
        return schedules.find(client, cluster.registry.name, experiment)

    schedules.schedule(cluster, "30 3 * * 7")
    printed = capsys.readouterr().out
    assert "(new)" in printed
    times = re.findall(r"Sunday (\S+ \S+)", printed)
    assert len(times) == 3
    assert all(datetime.fromisoformat(time).weekday() == 6 for time in times)
    [first] = there()
    assert first.trigger.cron_schedule.cron == "0 30 3 * * 0"
    assert first.mode == "ENABLE"
    assert first.no_catchup is True
    assert str(first.max_concurrency) == "1"

    schedules.schedule(cluster, "30 3 * * 7")
    assert "(unchanged)" in capsys.readouterr().out
    assert [each.recurring_run_id for each in there()] == [first.recurring_run_id]

    schedules.schedule(cluster, "0 4 * * *")
    assert "(replaced)" in capsys.readouterr().out
    [second] = there()
    assert second.trigger.cron_schedule.cron == "0 0 4 * * *"
    assert second.recurring_run_id != first.recurring_run_id

    listing.show(cluster)
    assert f"scheduled: {cluster.registry.name} 0 4 * * * (UTC), enabled" in capsys.readouterr().out
    schedules.unschedule(cluster)
    assert there() == []
    schedules.unschedule(cluster)
    assert "nothing was scheduled" in capsys.readouterr().out


def test_a_run_of_the_old_schedule_comes_to_its_end(fake, load_cluster):
    """KFP's default ends it: github.com/kubeflow/pipelines/issues/12573."""
    settings = load_cluster(fake.endpoint)
    schedules.schedule(settings, "0 3 * * *")
    [old] = fake.recurring
    run = fake.runs[submission.submit(settings)]
    run.recurring_run_id, run.state = old, "RUNNING"

    schedules.schedule(settings, "0 4 * * *")

    assert old not in fake.recurring
    assert run.state == "RUNNING"
    run.recurring_run_id = next(iter(fake.recurring))
    schedules.unschedule(settings)
    assert fake.recurring == {}
    assert run.state == "RUNNING"


def test_batch_prediction_has_a_schedule_of_its_own(fake, load_cluster, capsys):
    pytest.importorskip("blueprint.batch")
    where = ["parameters.input_uri=s3://rows/*.csv", "parameters.output_uri=s3://scores/{run}/"]
    settings = load_cluster(fake.endpoint, *where)

    schedules.schedule(settings, "0 5 * * *", "batch-prediction")
    schedules.schedule(settings, "0 3 * * *")

    batch, training = fake.recurring.values()
    assert batch.display_name == f"{settings.registry.name}-batch-prediction"
    assert training.display_name == settings.registry.name
    versions = {each.pipeline_version_id: each for each in fake.versions.values()}
    spec = versions[batch.pipeline_version_reference.pipeline_version_id].pipeline_spec
    spec = spec.get("pipeline_spec", spec)
    assert [*spec["root"]["dag"]["tasks"]] == ["score-rows"]
    given = spec["root"]["inputDefinitions"]["parameters"]
    assert given["output_uri"]["defaultValue"] == "s3://scores/{run}/"
    capsys.readouterr()
    listing.show(settings)
    assert "-batch-prediction 0 5 * * * (UTC), enabled" in capsys.readouterr().out
    schedules.unschedule(settings, "batch-prediction")
    assert [each.display_name for each in fake.recurring.values()] == [settings.registry.name]


def test_batch_prediction_needs_to_know_its_files(fake, load_cluster):
    pytest.importorskip("blueprint.batch")
    with pytest.raises(UserError, match=r"parameters.input_uri in config/ is missing"):
        schedules.schedule(load_cluster(fake.endpoint), "0 5 * * *", "batch-prediction")
    assert fake.recurring == {}


def test_runs_are_listed_with_their_state_and_page(cluster, submit, capsys):
    run_id = submit(cluster)
    capsys.readouterr()
    listing.show(cluster)

    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "state", "started", "minutes", "by"]
    [row] = [row for row in rows if row.startswith(run_id)]
    assert row.split()[-1] == "hand"
    assert any("/#/experiments/details/" in row for row in rows)


def test_nothing_is_asked_for_a_run_that_must_fail(fake, load_cluster):
    settings = load_cluster(
        fake.endpoint,
        "registry.tracking_uri=sqlite:///here.db",
        "kubeflow.pipeline_root=s3://example-bucket/x",
        "serving.store=models",
        "data.source=files",
        "data.files={path: data/x.parquet}",
    )
    with pytest.raises(UserError) as caught:
        submission.submit(settings)

    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == [
        "kubeflow.pipeline_root",
        "registry.tracking_uri",
        "data.files.path",
        "serving.store",
    ]
    assert fake.calls == []


def test_the_command_line_loads_nothing_heavy_for_its_help():
    code = "import sys, blueprint.targets.kubeflow.commands; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)

    heavy = {"kfp", "kfp_server_api", "kubernetes", "mlflow", "polars", "numpy", "pydantic"}
    assert not heavy & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submit"], "this configuration has no cluster: name one that has, such as ENV=staging"),
        (["schedule", "0 0 3 * * *"], "leave the seconds out"),
        (["schedule", "0 3 * * *"], "this configuration has no cluster"),
        (["unschedule"], "this configuration has no cluster"),
        (["runs"], "this configuration has no cluster"),
        (["debug-run", "a-run", "train"], "STEP=train: expected load_data, train_model, evaluate"),
        (["debug-run", "a-run", "train_model"], "this configuration has no cluster"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_one(folder, arguments, message):
    command = [sys.executable, "-m", "blueprint.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
