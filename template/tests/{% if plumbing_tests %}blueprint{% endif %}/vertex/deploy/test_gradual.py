"""`make deploy CANARY=20`: shares of the requests of clients, and Cloud Monitoring's numbers."""

import json
import math
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from blueprint.deploy import deployment, gradual, numbers
from blueprint.deploy.canary import Sample
from blueprint.errors import UserError


@contextmanager
def clients(stored):
    """Somebody who asks for predictions all the time."""
    [endpoint] = stored.endpoints.made.values()
    body = json.dumps({"instances": [1]}).encode()
    url, end = f"{stored.dedicated}/v1/{endpoint.name}:predict", threading.Event()

    def ask():
        while not end.wait(0.01):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(urllib.request.Request(url, body)).close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def splits(stored):
    """The traffic splits that were asked for, from the canary's first share on."""
    asked = [
        dict(message.endpoint.traffic_split)
        for rpc, message in stored.calls
        if rpc == "UpdateEndpoint"
    ]
    return [sorted(split.values()) for split in asked]


def test_a_good_version_gets_all_requests_step_by_step(project, stored, capsys):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    with clients(stored):
        gradual.deploy(project.settings(), None, 20)
    assert splits(stored) == [[100], [20, 80], [100]]
    [endpoint] = stored.endpoints.made.values()
    assert [each.display_name for each in endpoint.deployed_models] == ["digits-v2"]
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("continue")]
    assert [row.split()[0] for row in rows] == ["20", "100"]
    assert all(len(row) <= 80 for row in rows)


def test_a_bad_version_is_taken_back_at_its_first_share(project, stored):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    stored.serving.broken["2"] = 500
    with clients(stored), pytest.raises(UserError, match=r"taken back at 20 %.*5xx") as error:
        gradual.deploy(project.settings(), None, 20)
    assert "digits-v1 serves on" in str(error.value)
    assert splits(stored)[-1] == [100]
    [endpoint] = stored.endpoints.made.values()
    assert [each.display_name for each in endpoint.deployed_models] == ["digits-v1"]


def test_too_few_requests_are_no_proof(project, stored):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    with pytest.raises(UserError, match="only 0 of 10 requests came to it"):
        gradual.deploy(project.settings("deploy.timeout_seconds=2"), None, 20)


def test_what_a_killed_canary_left_goes_first(project, stored):
    project.train()
    deployment.deploy(project.settings())
    project.train(1)
    endpoint = deployment.open_endpoint(project.settings())
    stable = endpoint.stable()
    same = endpoint.add(f"{endpoint.vertex.parent}/models/digits@1", "digits-v1", print)
    assert same == stable  # the same version on the same machines is deployed once
    other = deployment.open_endpoint(project.settings("deploy.max_replicas=2"))
    left = other.add(f"{endpoint.vertex.parent}/models/digits@1", "digits-left", print)
    other.shift({stable.id: 30, left.id: 70})
    assert endpoint.stable().id == stable.id
    with clients(stored):
        gradual.deploy(project.settings(), None, 20)
    [found] = stored.endpoints.made.values()
    assert [each.display_name for each in found.deployed_models] == ["digits-v2"]


def test_a_canary_needs_something_beside_it(project, stored):
    number = project.train()
    with pytest.raises(UserError, match="serves nothing yet"):
        gradual.deploy(project.settings(), None, 20)
    deployment.deploy(project.settings())
    with pytest.raises(UserError, match="in service already"):
        gradual.deploy(project.settings(), number, 20)
    with pytest.raises(UserError, match="CANARY=0"):
        gradual.deploy(project.settings(), number, 0)


@pytest.mark.parametrize(
    ("options", "counts", "expected"),
    [
        (
            {"explicitBuckets": {"bounds": [10, 100]}},
            ["1", "2", "3"],
            {0.01: 1, 0.1: 3, math.inf: 6},
        ),
        (  # the last counts are left out where they are zero
            {"exponentialBuckets": {"numFiniteBuckets": 2, "growthFactor": 10, "scale": 1}},
            ["0", "6"],
            {0.001: 0, 0.01: 6, 0.1: 6, math.inf: 6},
        ),
        (
            {"linearBuckets": {"numFiniteBuckets": 1, "width": 50, "offset": 0}},
            ["0", "4", "2"],
            {0: 0, 0.05: 4, math.inf: 6},
        ),
        ({}, [], {math.inf: 6}),
    ],
)
def test_distributions(options, counts, expected):
    value = {"count": "6", "bucketOptions": options, "bucketCounts": counts}
    assert numbers.seconds(value) == pytest.approx(expected)


class Series:
    """Cloud Monitoring's answers, by metric."""

    def __init__(self, **series):
        self.vertex = type("Vertex", (), {"project": "digits-staging"})
        self.api, self.series = self, series

    def pages(self, host, path, of, **query):
        assert (host, path, of) == (
            "monitoring",
            "v3/projects/digits-staging/timeSeries",
            "timeSeries",
        )
        assert 'resource.labels.endpoint_id="digits"' in query["filter"]
        return next(each for name, each in self.series.items() if name in query["filter"])


def test_minutes_that_began_before_are_not_counted():
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def point(minutes, value):
        start = begin + timedelta(minutes=minutes)
        times = (start, start + timedelta(minutes=1))
        ends = dict(zip(("startTime", "endTime"), (f"{t:%FT%T}Z" for t in times), strict=True))
        return {"interval": ends, "value": value}

    def series(code, *points):
        labels = {"deployed_model_id": "7", "response_code": code}
        return {"metric": {"labels": labels}, "points": [*points]}

    responses = [
        series("2xx", point(-0.5, {"int64Value": "9"}), point(0.5, {"int64Value": "90"})),
        series("5xx", point(1.5, {"int64Value": "8"})),
        series("4xx", point(1.5, {"int64Value": "2"})),
    ]
    latency = {"count": "100", "bucketOptions": {"explicitBuckets": {"bounds": [10]}}}
    kinds = [
        {"metric": {"labels": {"deployed_model_id": "7", "latency_type": kind}}, "points": [each]}
        for kind in ("total", "model")
        for each in [point(0.5, {"distributionValue": latency | {"bucketCounts": ["100"]}})]
    ]
    calls = Series(response_count=responses, prediction_latencies=kinds)
    found = numbers.read(calls, "digits", begin, begin + timedelta(minutes=5))
    assert found == {"7": Sample(100, 8, 2, {0.01: 100, math.inf: 100})}
