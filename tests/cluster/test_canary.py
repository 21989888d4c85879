"""A canary on plain Kubernetes, through a real gateway, while clients ask all the time.

The servers are a stand-in that fails or waits when it is told to; what brings them there is the
project's own code.
"""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import cluster
from support.cluster import kubectl
from support.projects import made
from support.served import Site, find_gateway, pullable_python, settle

pytestmark = pytest.mark.slow
STANDIN = Path(__file__).with_name("standin.py")
ANSWERS = {
    "task": "tabular-classification",
    "framework": "sklearn",
    "platform": "kubeflow",
    "serving_platform": "kubernetes",
}
PREDICT = "/v1/models/digits:predict"


@pytest.fixture(scope="module")
def python(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a project that has the code."""
    cluster.need_cluster()
    project = made(template, tmp_path_factory.mktemp("canary") / "project", **ANSWERS)
    return project.path / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def gateway() -> dict[str, Any]:
    return find_gateway()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pullable_python(tmp_path_factory.mktemp("registry")) as name:
        yield name


@pytest.fixture
def site(python: Path, gateway: dict[str, Any], image: str) -> Iterator[Site]:
    """A namespace where version 1 serves."""
    with cluster.namespace("canary") as name:
        host = f"{name}.example.com"
        settings = {
            "context": kubectl("config", "current-context"),
            "namespace": name,
            "name": "digits",
            "timeout_seconds": 120,
            "canary": {"seconds": 5, "min_requests": 60},
            "gateway": {
                "name": gateway["name"],
                "namespace": gateway["namespace"],
                "hostnames": [host],
            },
            "image": image,
        }
        found = Site(python, settings, gateway["address"], host)
        found.run("deploy", "1")
        yield found


def test_a_good_version_takes_over_without_a_failed_request(site: Site) -> None:
    with site.load() as clients:
        settle(clients)
        said = site.run("canary", "2", "10")
        time.sleep(1)
        assert clients.failed() == 0, clients.failures[:5]
        assert clients.total > 500
        clients.reset()
        time.sleep(1)
        assert set(clients.by_version()) == {"2"}
    rows = re.findall(r"^ *(\d+) % +([\d.]+)% +(\d+) .* continue$", said, re.MULTILINE)
    assert [row[0] for row in rows] == ["10", "50", "100"]
    for share, got, requests in rows:
        assert float(got) == pytest.approx(float(share), abs=12)
        assert int(requests) >= 60
    assert site.names("deployment") == site.names("service") == ["digits"]
    assert site.weights() == {"digits": 100}


@pytest.mark.parametrize(("wrong", "reason"), [("ERRORS=1", "are 5xx"), ("WAIT=0.2", "p99")])
def test_a_bad_version_never_gets_more_than_its_share(site: Site, wrong: str, reason: str) -> None:
    with site.load() as clients:
        settle(clients)
        said = site.run("canary", "2", "10", wrong, code=1)
        time.sleep(1)
        total, by_it = clients.total, sum(n for (_, v), n in clients.answers.items() if v == "2")
        assert 0 < by_it < 0.2 * total
        assert all(version == "2" for _, _, version, _ in clients.failures), clients.failures[:5]
        clients.reset()
        time.sleep(1)
        assert set(clients.by_version()) == {"1"}
    assert re.search(f"error: version 2 was taken back at 10 % of the requests: .*{reason}", said)
    assert site.names("deployment") == ["digits"]
    assert site.weights() == {"digits": 100}


def begun(site: Site) -> subprocess.Popen[str]:
    """A canary that has half of the requests."""
    process = site.start("canary", "2", "50")
    assert process.stdout
    for line in process.stdout:
        if "share" in line:
            break
    end = time.monotonic() + 30
    while site.weights() != {"digits": 50, "digits-canary": 50} and time.monotonic() < end:
        time.sleep(0.1)
    return process


def test_an_interrupted_canary_goes_and_a_killed_one_is_cleaned_up(site: Site) -> None:
    with site.load() as clients:
        settle(clients)
        process = begun(site)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        assert "interrupted" in output
        assert site.names("deployment") == ["digits"]
        process = begun(site)
        process.kill()
        process.communicate(timeout=120)
        assert sorted(site.names("deployment")) == ["digits", "digits-canary"]
        assert "the canary's pods are gone" in site.run("clear")
        assert site.names("deployment") == ["digits"]
        time.sleep(1)
        assert clients.failed() == 0, clients.failures[:5]


def test_a_canary_whose_server_ends_is_taken_back(site: Site) -> None:
    """Its pod is not ready then, and the gateway itself answers its share with an error."""
    with site.load() as clients:
        settle(clients)
        process = begun(site)
        end_server = "import os, signal; os.kill(1, signal.SIGTERM)"
        command = ["exec", "-n", site.settings["namespace"], "deployment/digits-canary", "--"]
        kubectl(*command, "python3", "-c", end_server)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1
        assert re.search(
            "error: version 2 was taken back at 50 % .*(ready|started again|came to it)", output
        )
        clients.reset()
        time.sleep(1)
        assert set(clients.by_version()) == {"1"}
        assert clients.failed() == 0, clients.failures[:5]


def test_too_few_requests_promote_nothing(site: Site) -> None:
    few = replace(site, settings=site.settings | {"timeout_seconds": 20})
    said = few.run("canary", "2", "10", code=1)
    assert "only 0 of 60 requests came to it" in said
    assert site.names("deployment") == ["digits"]
