"""Hooks of pytest for tests/cluster: what was run, and on what, is written where `--write` says so.

Without it nothing is written, in CI neither. tools/cluster_page.py makes a page of the record.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from support import cluster
from support.cluster import kubectl
from tools import cluster_page
from tools.cluster_page import Result

FAILED, PASSED = "failed", "passed"
OPTION = "--write"
# Of each test, by its file and name: how each of its cases ended, and the seconds of all.
ended: dict[tuple[str, str], tuple[list[str], float]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    text = f"write what was run into {cluster_page.PAGE.name}"
    parser.addoption(OPTION, action="store_true", help=text)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how a case ended; one that was skipped was not run."""
    file, _, name = report.nodeid.partition("::")
    key = (file.rpartition("/")[2], name.partition("[")[0])
    outcomes, seconds = ended.get(key, ([], 0.0))
    if report.failed or (report.passed and report.when == "call"):
        outcomes = [*outcomes, FAILED if report.failed else PASSED]
    ended[key] = outcomes, seconds + report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Put these results in the place of older ones; other tests keep theirs."""
    if not session.config.getoption(OPTION, default=False) or cluster.unusable():
        return
    at, on = time.strftime("%Y-%m-%d", time.gmtime()), dict(parts())
    results = cluster_page.read()
    for key, (outcomes, seconds) in ended.items():
        if outcomes:
            failed = outcomes.count(FAILED)
            results[key] = Result(len(outcomes), failed, round(seconds), at, on)
    cluster_page.write(results)


def parts() -> Iterator[tuple[str, str]]:
    """What the cluster is made of, with the versions that it says itself."""
    node = cluster.get_json("nodes")["items"][0]["status"]["nodeInfo"]
    yield "Kubernetes", json.loads(kubectl("get", "--raw=/version"))["gitVersion"].lstrip("v")
    runtime, _, version = node["containerRuntimeVersion"].partition("://")
    yield runtime, version
    for kind, name, path in (
        # Of KServe's own: its image is that of the release.
        ("clusterstoragecontainer", "KServe", ["spec", "container", "image"]),
        ("gatewayclass", "gateway", ["spec", "controllerName"]),
        ("crd/httproutes.gateway.networking.k8s.io", "Gateway API", ["metadata", "annotations"]),
        ("apiservice/v1beta1.metrics.k8s.io", "metrics", ["spec", "service", "name"]),
    ):
        for found in objects(kind):
            with suppress(KeyError, TypeError):
                for key in path:
                    found = found[key]
                if version := _version(found):
                    yield name, version


def objects(what: str) -> list[dict[str, Any]]:
    """The objects of a kind, or the one that is named; none where the cluster has no such kind."""
    if not kubectl("get", what, "--ignore-not-found", "--output=name", check=False):
        return []
    found = cluster.get_json(what)
    return list(found.get("items", [found]))


def _version(found: Any) -> str:
    """That of a bundle or of KServe's own image, or the head of a name; "" of another image."""
    if isinstance(found, dict):
        return str(found["gateway.networking.k8s.io/bundle-version"]).lstrip("v")
    if image := re.fullmatch(r"(?:.*/)?storage-initializer:v(.+)", str(found)):
        return image[1]
    return "" if ":" in str(found) else str(found).partition("/")[0]
