"""The loop in a cluster: pods log what they are asked to a bucket, the monitoring pipeline's pods
find drift in it, train, and have the pods serve what the gate accepted; and what the Prometheus
operator gets.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import cluster, engine, pods, rendering
from support.cluster import kubectl
from support.project import Project, environment, free_port, get, stop

pytestmark = pytest.mark.slow
NAME = "watched"
ROWS = 400
LOGIN = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "us-east-1"}
MOTO = ("moto[s3]~=5.2.5", "flask", "flask-cors")
PREDICTIONS = "s3://watched/predictions"
MONITORS = "podmonitors.monitoring.coreos.com"
STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
# Rows of the sample with every number moved, asked for in tens; and the same with their labels.
ASK = """
import json, sys, urllib.request
import numpy as np, polars as pl
from blueprint.data.sources import scan

url, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rows = scan("sample", task="tabular-classification").collect()
rows = rows.sample(count, with_replacement=True, seed=1)
names = [name for name in rows.columns if name != "label"]
noise = np.random.default_rng(1)
moved = rows.with_columns(
    pl.Series(name, rows[name].to_numpy() + rows[name].std() * noise.normal(1, 0.1, count))
    for name in names
)
for part in moved.select(names).iter_slices(10):
    body = json.dumps({"instances": part.to_dicts()}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}))
moved.write_parquet(path)
"""


@dataclass(frozen=True)
class Bucket:
    """An object store that this machine and the pods reach by one address."""

    address: str

    @property
    def login(self) -> dict[str, str]:
        return {**LOGIN, "AWS_ENDPOINT_URL": self.address}

    def secret(self, name: str, namespace: str) -> None:
        words = [f"--from-literal={key}={value}" for key, value in self.login.items()]
        kubectl("create", "secret", "generic", name, "-n", namespace, *words)

    def names(self) -> list[str]:
        return re.findall(r"<Key>(.*?)</Key>", get(f"{self.address}/watched")[1])


@pytest.fixture(scope="module")
def bucket(prepared: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bucket in moto's S3, which is started here."""
    port = free_port()
    command = ["uv", "run", "--quiet", "--no-project"]
    command += ["--exclude-newer", exclude_newer(prepared[0])]
    command += [word for package in MOTO for word in ("--with", package)]
    command += ["python", "-m", "moto.server", "-H", "0.0.0.0", "-p", str(port)]
    here = f"http://127.0.0.1:{port}"
    with (tmp_path_factory.mktemp("moto") / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment(), stdout=log, stderr=log, text=True, start_new_session=True
        )
    try:
        end = time.monotonic() + 120
        while not get(f"{here}/moto-api/")[0]:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.3)
        urllib.request.urlopen(urllib.request.Request(f"{here}/watched", method="PUT")).close()
        yield Bucket(f"http://{cluster.host()}:{port}")
    finally:
        stop(process)


def exclude_newer(project: Project) -> str:
    found = re.search(r'exclude-newer = "(.*)"', (project.path / "pyproject.toml").read_text())
    assert found
    return found[1]


@pytest.fixture(scope="module")
def watched(
    sibling: Callable[..., Project],
    push: Callable[..., None],
    prepared: tuple[Project, str],
    bucket: Bucket,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project that is watched, with a champion, and configured before its images are made."""
    folder = tmp_path_factory.mktemp("watched") / "project"
    answers = {"serving_platform": "kubernetes", "batch_scoring": False, "project_slug": NAME}
    project = sibling(folder, "monitoring", observability=True, drift_monitoring=True, **answers)
    file = project.path / "config" / "staging.yaml"
    content = yaml.safe_load(file.read_text())
    content["prediction_log"] = {"path": PREDICTIONS, "flush_seconds": 1}
    content["retraining"] = {"enabled": True}
    if kubectl("get", "crd", MONITORS, check=False):
        content["operator"] = {"labels": {"release": "prometheus"}}
    file.write_text(yaml.safe_dump(content))
    rendering.commit(project.path, "Where predictions are logged")
    registry = f"registry.tracking_uri={prepared[1]} registry.artifact_location=null"
    project.make("run", f"ARGS={registry}")
    push(project, "pipeline", "serving", arguments=engine.build_arguments(project.path))
    return project


@pytest.fixture
def served(
    watched: Project, copy_of: Callable[..., Any], bucket: Bucket, tmp_path: Path
) -> Iterator[tuple[Any, Path]]:
    """The project, deployed to a namespace of its own, and the folder of its pipelines there."""
    copy = copy_of(watched, NAME)
    for name in (f"{NAME}-log", "store"):
        bucket.secret(name, copy.namespace)
    kubectl("create", "serviceaccount", pods.ACCOUNT, "-n", copy.namespace)
    copy.make("deploy", timeout=300)
    pods.allow(copy.project, copy.namespace)
    try:
        with pods.volume(copy.namespace, tmp_path) as root:
            yield copy, root
    finally:
        names = "validatingadmissionpolicy,validatingadmissionpolicybinding"
        kubectl("delete", names, copy.namespace)


def monitor(served: Any, root: Path, bucket: Bucket) -> dict[str, dict[str, Any]]:
    """Run the monitoring pipeline in pods; its steps, in order."""
    every = {"run_as_non_root": True, "secrets": {"store": {key: key for key in bucket.login}}}
    given = (
        f"'pipeline.every={json.dumps(every)}'",
        "data.source=files",
        f"data.files.path={root}/moved.parquet",
    )
    served.make("compile", f"ARGS={' '.join(given)}")
    arguments = {"revision": "abc1234", "lock": "f00d" * 16, "snapshot": ""}
    file = "build/monitoring.yaml"
    done = subprocess.run(
        pods.running(served.project, served.namespace, root, file, arguments),
        cwd=served.project.path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    steps = json.loads((root / "steps.json").read_text())
    print("".join(each["log"] for each in steps))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return {each["step"]: each for each in steps}


def test_drift_in_what_pods_are_asked_makes_pods_train_and_serve_another_version(
    served: tuple[Any, Path], bucket: Bucket, tunnel: Callable[..., str]
) -> None:
    copy, root = served
    assert copy.answers() == "1"

    url = f"{tunnel(copy)}/v1/models/{NAME}:predict"
    copy.project.run_python("-c", ASK, url, str(ROWS), f"{root}/moved.parquet")
    (root / "moved.parquet").chmod(0o644)

    end = time.monotonic() + 60
    while logged(bucket) < ROWS:
        assert time.monotonic() < end, bucket.names()
        time.sleep(0.5)

    steps = monitor(copy, root, bucket)

    assert {*steps} == {"monitor_model", *STEPS, "record_retraining"}
    assert {each["state"] for each in steps.values()} == {"succeeded"}
    images = json.loads((copy.project.path / "build" / "images.json").read_text())
    used = {name: each["pod"]["spec"]["containers"][0]["image"] for name, each in steps.items()}
    assert used.pop("monitor_model") == images["monitoring"]["pushed"]
    assert {*used.values()} == {images["pipeline"]["pushed"]}
    assert f"version 1, {ROWS} rows: drift" in steps["monitor_model"]["log"]
    assert "Downloading artifacts" not in steps["monitor_model"]["log"], "MLflow prints into it"
    said = " ".join(steps["record_retraining"]["log"].split())
    assert "version 2 takes the place of version 1" in said
    copy.settles_on("2")
    assert copy.answers() == "2"

    # Nobody has asked the new version: there is nothing to say yet, and nothing begins.
    steps = monitor(copy, root, bucket)

    assert list(steps) == ["monitor_model"]
    assert "too few" in steps["monitor_model"]["log"]
    assert "2: trained because" in copy.make("models")


def logged(bucket: Bucket) -> int:
    """How many rows the files of the log say that they have."""
    return sum(int(each) for each in re.findall(r"-(\d+)\.parquet", " ".join(bucket.names())))


def test_the_operator_gets_monitors_and_rules(served: tuple[Any, Path]) -> None:
    copy, _ = served
    if not kubectl("get", "crd", MONITORS, check=False):
        cluster.lacking("the cluster has no prometheus-operator", "apply its CRDs")
    [monitor] = cluster.get_json(MONITORS, "-n", copy.namespace)["items"]
    rules = cluster.get_json("prometheusrules.monitoring.coreos.com", "-n", copy.namespace)["items"]
    label = ("-l", "grafana_dashboard=1")
    boards = cluster.get_json("configmaps", "-n", copy.namespace, *label)["items"]

    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    files = copy.project.path / "monitoring"
    assert len(rules) >= len(list(files.glob("prometheus/rules/*.yml")))
    assert len(boards) == len(list(files.glob("dashboards/*.json")))
    # What it selects are the pods, at a port that they have, and there the metrics are.
    wanted = monitor["spec"]["selector"]["matchLabels"]
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    for pod in copy.pods():
        assert wanted.items() <= pod["metadata"]["labels"].items()
        ports = {p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]}
        port = ports[endpoint["port"]]
        path = f"pods/{pod['metadata']['name']}:{port}/proxy{endpoint['path']}"
        shown = kubectl("get", "--raw", f"/api/v1/namespaces/{copy.namespace}/{path}")
        assert f'model_info{{name="{NAME}",version="{copy.answers()}"}} 1' in shown
