"""`make schedule`, `make unschedule` and `make runs`."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from blueprint.settings import SettingsError
from blueprint.targets.vertex import listing, schedules, submission


def there(service):
    return list(service.pipelines.schedules.values())


def test_a_schedule_is_made_kept_replaced_and_ended(load_vertex, service, capsys):
    loaded = load_vertex("vertex.time_zone=Europe/Berlin")
    schedules.schedule(loaded, "30 3 * * 7")
    printed = capsys.readouterr().out
    assert "(new)" in printed
    assert "(Europe/Berlin)" in printed
    times = [line.split(maxsplit=1)[1] for line in printed.splitlines()[1:]]
    assert len(times) == 3
    assert all(datetime.fromisoformat(time).weekday() == 6 for time in times)
    [first] = there(service)
    assert first.cron == "TZ=Europe/Berlin 30 3 * * 0"
    assert first.max_concurrent_run_count == 1
    job = first.create_pipeline_job_request.pipeline_job
    assert job.service_account == loaded.vertex.service_account
    assert job.labels["pipeline"] == loaded.registry.name
    assert job.runtime_config.parameter_values["snapshot"] == ""

    schedules.schedule(loaded, "30 3 * * sun")  # the same, in other words
    assert "(unchanged)" in capsys.readouterr().out
    assert [each.name for each in there(service)] == [first.name]

    schedules.schedule(loaded, "0 4 * * *")
    assert "(replaced)" in capsys.readouterr().out
    [second] = there(service)
    assert second.cron == "TZ=Europe/Berlin 0 4 * * *"

    schedules.unschedule(loaded)
    assert not there(service)
    schedules.unschedule(loaded)
    assert "nothing was scheduled" in capsys.readouterr().out


def test_a_paused_schedule_is_replaced(cloud, service, capsys):
    schedules.schedule(cloud, "0 3 * * *")
    [first] = there(service)
    first.state = type(first.state).PAUSED
    schedules.schedule(cloud, "0 3 * * *")
    assert "(replaced)" in capsys.readouterr().out
    [second] = there(service)
    assert second.name != first.name


def test_other_parameters_are_another_schedule(load_vertex, service):
    schedules.schedule(load_vertex(), "0 3 * * *")
    schedules.schedule(load_vertex("train.seed=99"), "0 3 * * *")
    [only] = there(service)
    spec = only.create_pipeline_job_request.pipeline_job.pipeline_spec
    assert spec["root"]["inputDefinitions"]["parameters"]["train"]["defaultValue"]["seed"] == 99


def test_a_zone_that_there_is_not_is_named(load_vertex):
    with pytest.raises(SettingsError, match=r"vertex\.time_zone: expected a time zone .*Berlin"):
        load_vertex("vertex.time_zone=Berlin")


def test_runs_are_listed_with_what_started_them(cloud, service, capsys):
    listing.show(cloud)
    assert "`make submit` starts one" in capsys.readouterr().out

    service.plan("succeed", times=9)
    job = submission.submit(cloud)
    schedules.schedule(cloud, "0 3 * * *")
    [planned] = there(service)
    service.pipelines.fire(planned.name)
    capsys.readouterr()
    listing.show(cloud)

    printed = capsys.readouterr().out
    [line] = [line for line in printed.splitlines() if line.startswith(job)]
    assert line.split()[-1] == "hand"
    assert sum(line.endswith("schedule") for line in map(str.rstrip, printed.splitlines())) == 1
    assert f"scheduled: {cloud.registry.name} 0 3 * * * (UTC), active" in printed


def test_runs_asks_without_the_sdk(cloud, service):
    (Path("config") / "cloud.yaml").write_text(cloud.model_dump_json(exclude_none=True))
    code = (
        "import sys; from blueprint import settings; from blueprint.targets.vertex import listing; "
        "listing.show(settings.load()); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MLOPS_ENV": "cloud"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "google.cloud.aiplatform" not in done.stdout
