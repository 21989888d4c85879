"""What `make monitor` gives the programs: the project's files, and what the configuration says."""

import shutil
import stat
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from blueprint.errors import UserError
from blueprint.monitoring.stack import files

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def write(folder, load):
    """A function that writes the files for some configuration, and returns their folder."""
    shutil.copytree(PROJECT / "monitoring", folder / "monitoring")
    return lambda *overrides: files.write(load(*overrides))


def read(path):
    return yaml.safe_load(path.read_text())


def test_every_file_is_there(write):
    written = write()
    for name in files.FOLDERS:
        for path in (PROJECT / "monitoring" / name).rglob("*"):
            assert (written / path.relative_to(PROJECT / "monitoring")).exists()


def test_targets_have_the_labels_that_rules_ask_for(write):
    group = read(write("serving.port=8123") / "prometheus/targets/server.yml")[0]
    assert group["targets"] == ["127.0.0.1:8123"]
    assert {"job", "role", "environment"} <= group["labels"].keys()
    assert group["labels"]["role"] == "server"


def test_the_objectives_are_those_of_the_configuration(write):
    written = write("slo.availability=0.99", "slo.latency_seconds=1", "slo.latency_share=0.9")
    rules = read(written / "prometheus/rules/slo.yml")["groups"][0]["rules"]
    assert [rule["expr"] for rule in rules] == ["vector(0.99)", "vector(0.9)"]
    assert rules[1]["labels"] == {"le": "1.0"}  # as the server writes the bucket


@pytest.mark.skipif(find_spec("blueprint.serving.http") is None, reason="another server counts")
def test_a_latency_that_the_server_does_not_count_is_rejected(write):
    with pytest.raises(UserError, match=r"slo.latency_seconds: 0.07: the server counts .*0.05"):
        write("slo.latency_seconds=0.07")


def test_webhooks_are_for_nobody_elses_eyes(write):
    path = write("monitor.webhooks.page=http://127.0.0.1:9/x") / "alertmanager/alertmanager.yml"
    found = {each["name"]: each.get("webhook_configs") for each in read(path)["receivers"]}
    assert found["page"] == [{"url": "http://127.0.0.1:9/x", "send_resolved": True}]
    assert found["ticket"] is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_alerts_lead_to_the_pages_where_they_are(write):
    written = write("monitor.runbooks=https://git.example.com/runbooks")
    rules = read(written / "prometheus/rules/alive.yml")["groups"][0]["rules"]
    urls = {rule["annotations"]["runbook_url"] for rule in rules}
    assert "https://git.example.com/runbooks/ServerDown.md" in urls
    assert all(url.startswith("https://git.example.com/runbooks/") for url in urls)
