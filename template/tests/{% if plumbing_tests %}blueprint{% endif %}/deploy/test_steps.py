"""A canary's way from the first share to all requests, or back: what is done, in which order.

The platform and the traffic are simulated here; tests/cluster of the template has real ones.
"""

import math
import os
import signal
from types import SimpleNamespace

import pytest

from blueprint.deploy import steps
from blueprint.deploy.canary import Sample
from blueprint.deploy.pin import Pin
from blueprint.deploy.settings import Canary, Deploy
from blueprint.errors import UserError

PIN = Pin("8", "ab" * 32, "s3://models/8")
BOUNDS = (0.005, 0.01, 0.1, math.inf)


class World:
    """A cluster with a version in service, a canary, and clients that ask 100 times a look."""

    def __init__(self, **limits):
        canary = Canary(**({"seconds": 6, "min_requests": 100} | limits))
        self.deploy = Deploy(context="test", namespace="team", canary=canary, timeout_seconds=20)
        self.time, self.share, self.done = 0.0, 0, []
        self.requests = 100
        self.answers = {"stable": {}, "canary": {}}  # what is wrong with them
        self.counted = {"stable": Sample(), "canary": Sample()}
        self.pods = {"stable": ["s-1"], "canary": []}
        self.after, self.then = math.inf, lambda: None

    # What steps.py asks of a cluster: `ready` and `_restarts` are replaced.
    def ready(self, cluster, deployment):
        return self.pods[deployment]

    def sleep(self, seconds):
        self.time += seconds
        now = {"canary": self.requests * self.share / 100}
        now["stable"] = self.requests - now["canary"]
        for name, number in now.items():
            wrong = self.answers[name]
            latency = {b: number * (wrong.get("seconds", 0.004) <= b) for b in BOUNDS}
            sample = Sample(number, number * wrong.get("errors", 0), 0, latency)
            self.counted[name] += sample
        if self.time >= self.after:
            self.after = math.inf
            self.then()

    def read(self, pods):
        names = {"s-1": "stable", "c-1": "canary"}
        return {pod: self.counted[names[pod]] for pod in pods}


class Beside:
    """The canary of that world."""

    def __init__(self, world):
        self.cluster, self.world = world, world
        self.deployments = ("stable", "canary")

    def left(self):
        return PIN if self.world.pods["canary"] else None

    def check(self, objects):
        if not objects:
            raise UserError("there is no route")

    def begin(self, pin, percent, model, say):
        self.world.done.append("begin")
        self.world.pods["canary"] = ["c-1"]

    def shift(self, percent):
        self.world.done.append(percent)
        self.world.share = percent

    def promotion(self, objects):
        return objects

    def end(self):
        self.world.done.append("end")
        self.world.pods["canary"] = []


@pytest.fixture
def world(monkeypatch):
    def make(**limits):
        made = World(**limits)
        monkeypatch.setattr(steps, "ready", made.ready)
        monkeypatch.setattr(steps, "_restarts", lambda cluster, name: 0)
        monkeypatch.setattr(steps, "reader", lambda cluster: made.read)
        clock = SimpleNamespace(sleep=made.sleep, monotonic=lambda: made.time)
        monkeypatch.setattr(steps, "time", clock)
        return made

    return make


def release(world, objects=("route",), promote=None, shares=(10, 50, 100)):
    said = []

    def promoted(objects):
        world.done.append("promote")

    arguments = (PIN, "digits", list(objects), list(shares), promote or promoted, said.append)
    try:
        steps.release(Beside(world), *arguments)
    finally:
        assert all(len(line) <= 80 for line in said), said
    return said


def test_a_good_version_goes_all_the_way(world):
    here = world()
    said = release(here)
    assert here.done == ["begin", 10, 50, 100, "promote", 0, "end"]
    rows = [line for line in said if line.endswith("continue")]
    assert [row.split()[:4] for row in rows] == [
        ["10", "%", "10.0%", "100"],
        ["50", "%", "50.0%", "150"],
        ["100", "%", "100.0%", "300"],
    ]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"errors": 0.5}, "are 5xx"), ({"seconds": 0.05}, "p99")],
)
def test_a_bad_one_is_taken_back(world, wrong, reason):
    here = world()
    here.answers["canary"] = wrong
    with pytest.raises(UserError, match=f"taken back at 10 %.*{reason}"):
        release(here)
    assert here.done == ["begin", 10, 0, "end"]  # its share first


def test_one_that_turns_bad_at_the_end_is_compared_with_what_was_before(world):
    """All requests are the canary's then: the version in service answers none."""
    here = world()
    here.after, here.then = 27, lambda: here.answers.update(canary={"seconds": 0.05})
    with pytest.raises(UserError, match="taken back at 100 %"):
        release(here)
    assert here.done == ["begin", 10, 50, 100, 0, "end"]


def test_without_requests_nothing_is_promoted(world):
    here = world()
    here.requests = 1
    with pytest.raises(UserError, match="only 1 of 100 requests"):
        release(here)
    assert here.done == ["begin", 10, 0, "end"]


def test_a_gateway_that_ignores_the_weights_is_noticed(world, monkeypatch):
    here = world()
    beside = Beside.shift

    def ignored(self, percent):
        beside(self, percent)
        self.world.share = 0

    monkeypatch.setattr(Beside, "shift", ignored)
    with pytest.raises(UserError, match=r"none of .* requests came to it"):
        release(here)
    assert here.done == ["begin", 10, 0, "end"]


def test_a_canary_whose_pods_are_gone_is_taken_back(world, monkeypatch):
    here = world()
    here.after, here.then = 3, lambda: here.pods.update(canary=[])
    # It is the same canary, though none of its pods is ready.
    monkeypatch.setattr(Beside, "left", lambda self: PIN)
    with pytest.raises(UserError, match="none of its pods is ready"):
        release(here)
    assert here.done == ["begin", 10, 0, "end"]


def test_a_promotion_that_fails_takes_it_back(world):
    here = world()

    def fails(objects):
        raise UserError("the quota is used up")

    with pytest.raises(UserError, match="the quota is used up"):
        release(here, promote=fails)
    assert here.done == ["begin", 10, 50, 100, 0, "end"]


def test_what_cannot_begin_changes_nothing(world):
    here = world()
    with pytest.raises(UserError, match="there is no route"):
        release(here, objects=())
    assert here.done == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_one_is_taken_back(world, number):
    here = world()
    here.after, here.then = 23, lambda: os.kill(os.getpid(), number)
    with pytest.raises(KeyboardInterrupt):
        release(here)
    assert here.done == ["begin", 10, 50, 0, "end"]


def test_a_left_one_is_taken_away_and_none_is_fine(world):
    here = world()
    here.pods["canary"], here.share = ["c-1"], 50
    steps.clear(Beside(here), print)
    assert here.done == [0, "end"]
    steps.clear(Beside(here), print)
    assert here.done == [0, "end"]


@pytest.mark.parametrize(
    ("first", "steps_of", "shares"),
    [
        (10, [10, 50, 100], [10, 50, 100]),
        (5, [10, 50, 100], [5, 10, 50, 100]),
        (60, [10, 50, 100], [60, 100]),
        (10, [20], [10, 20, 100]),
        (100, [10], [100]),
    ],
)
def test_the_shares_to_go_through(first, steps_of, shares):
    assert steps.plan(first, steps_of) == shares


@pytest.mark.parametrize("first", [0, 101, -1])
def test_a_share_that_is_none(first):
    with pytest.raises(UserError, match=f"CANARY={first}"):
        steps.plan(first, [10])
