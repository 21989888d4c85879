"""A project's compiled pipeline, executed by pods: images, commands, options, and a rejected model.

With `KFP_ENDPOINT`, a real Kubeflow Pipelines runs it in place of our runner; what is asserted of
pods alone is then left out.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support import pods
from support.cluster import kubectl
from support.project import Project, environment, get
from support.rules import rules

NAME = "digit-recognition"
# What an owner writes for a cluster with rules: docs/kubeflow.md of a project.
FITTING = {
    "cpu": "100m",
    "cpu_limit": "2",
    "memory": "1Gi",
    "labels": {"team": "vision"},
    "run_as_non_root": True,
}
BREAKING = [
    ({"cpu_limit": None}, "must specify limits.cpu for: main"),
    ({"memory": "3Gi"}, "maximum memory usage per Container is 2Gi"),
    ({"labels": {}}, "say whose pod it is: label team"),
    ({"run_as_non_root": False}, "runAsNonRoot != true"),
]
STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
REAL = os.environ.get("KFP_ENDPOINT")
LAX = ("train.epochs=20", "gate.champion.margin=0.9", "gate.floors.accuracy=0.1")
ALWAYS = ("pipeline.every.run_as_non_root=true",)  # namespaces here ask for it


@dataclass(frozen=True)
class Run:
    """What became of a run: each step's end, and of our runner's, its pod and its log."""

    code: int
    output: str
    steps: dict[str, str]
    pods: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """A project whose images the cluster can pull, and the registry of its models."""

    project: Project
    tracking: str

    def compile(self, namespace: str, *overrides: str) -> None:
        where = () if "deploy=null" in overrides else (f"deploy.namespace={namespace}",)
        overrides = (*where, *ALWAYS, *overrides)
        self.project.make("compile", "ENV=staging", f"ARGS={' '.join(overrides)}")

    def run(
        self, namespace: str, root: Path, *overrides: str, options: tuple[str, ...] = ()
    ) -> Run:
        """Run the training pipeline to its end."""
        if REAL:
            given = f"ARGS={' '.join(overrides)} kubeflow.endpoint={REAL}"
            done = self.project.make("submit", "ENV=staging", "WAIT=1", given, check=False)
            rows = re.findall(r"^\W*([✓✗·]) (\w+)(.*)$", done.stdout, re.MULTILINE)
            ends = {"✓": "succeeded", "✗": "failed"}
            ended = {name: ends[mark] for mark, name, _ in rows if mark in ends}
            return Run(done.returncode, done.stdout, ended)
        self.compile(namespace, *overrides)
        command = pods.command(self.project, namespace, root, *options)
        done = subprocess.run(
            command,
            cwd=self.project.path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return ended_as(root, done.returncode, done.stdout + done.stderr)

    def newest(self) -> Any:
        """The newest version in the registry, as MLflow answers."""
        query = f"filter=name%3D%27{NAME}%27&max_results=100"
        found = json.loads(get(f"{self.api}/model-versions/search?{query}")[1])["model_versions"]
        return max(found, key=lambda each: int(each["version"]))

    def champion(self) -> str:
        found = get(f"{self.api}/registered-models/alias?name={NAME}&alias=champion")
        return str(json.loads(found[1])["model_version"]["version"])

    @property
    def api(self) -> str:
        return f"{self.tracking}/api/2.0/mlflow"


def ended_as(root: Path, code: int, output: str) -> Run:
    steps = json.loads((root / "steps.json").read_text())
    return Run(
        code,
        output,
        {each["step"]: each["state"] for each in steps},
        {each["step"]: each["pod"]["spec"] for each in steps if "pod" in each},
        {each["step"]: each["log"] for each in steps},
    )


@pytest.fixture(scope="module")
def site(prepared: tuple[Project, str]) -> Site:
    return Site(*prepared)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A namespace, and a folder that is its pipelines' root."""
    with pods.room(tmp_path) as given:
        yield given


def may(who: str, namespace: str, verb: str, thing: str) -> bool:
    return kubectl("auth", "can-i", verb, thing, who, "-n", namespace, check=False) == "yes"


def served(namespace: str) -> str:
    path = r"jsonpath={.spec.template.metadata.annotations['model\.blueprint/version']}"
    return kubectl("get", "deployment", NAME, "-n", namespace, "-o", path)


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.5)


@pytest.mark.slow
def test_an_accepted_model_becomes_the_champion_and_each_pod_gets_what_it_is_to_have(
    site: Site, room: tuple[str, Path]
) -> None:
    namespace, root = room
    every = {
        "cpu": "100m",
        "memory": "1Gi",
        "labels": {"team": "vision"},
        "variables": {"PLACE": "here"},
        "config_maps": {"network": {"proxy": "SOME_PROXY"}},
        "node_selector": {"kubernetes.io/os": "linux"},
        "run_as_non_root": True,
    }
    train = {
        "volumes": {"config_maps": {"network": "/etc/network"}, "secrets": {"tls": "/etc/tls"}},
        "secrets": {"tls": {"key": "THE_KEY"}},
        "shared_memory": "64Mi",
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    before = site.champion()
    kubectl("create", "configmap", "network", "--from-literal=proxy=none", "-n", namespace)
    kubectl("create", "secret", "generic", "tls", "--from-literal=key=hush", "-n", namespace)
    options = [
        f"'pipeline.every={json.dumps(every)}'",
        f"'pipeline.steps.train_model={json.dumps(train)}'",
    ]

    done = site.run(namespace, root, "deploy=null", *LAX, "train.seed=54", *options)

    assert done.code == 0, done.output[-3000:]
    assert done.steps == dict.fromkeys(STEPS, "succeeded")
    assert site.champion() != before
    if REAL:
        return
    images = json.loads((site.project.path / "build" / "images.json").read_text())
    for spec in done.pods.values():
        [container] = spec["containers"]
        assert container["image"] == images["pipeline"]["pushed"]
        assert "@sha256:" in container["image"]
        assert spec["serviceAccountName"] == "pipeline-runner"
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert container["resources"]["requests"] == {"cpu": "100m", "memory": "1Gi"}
    [container] = done.pods["train_model"]["containers"]
    assert {"/etc/network", "/etc/tls", "/dev/shm"} <= {
        each["mountPath"] for each in container["volumeMounts"]
    }
    assert "THE_KEY" in {each["name"] for each in container["env"]}
    assert "hush" not in json.dumps(done.pods)
    assert f"version {site.champion()} is the champion" in done.logs["deploy_model"]


@pytest.mark.slow
def test_a_rejected_model_is_not_deployed_and_a_run_that_is_open_is_joined(
    site: Site, room: tuple[str, Path]
) -> None:
    namespace, root = room
    before = site.champion()
    experiment = ask(f"{site.api}/experiments/create", name=f"KFP-{namespace}")["experiment_id"]
    asked = ask(f"{site.api}/runs/create", experiment_id=experiment, run_name="a plugin's")
    opened = asked["run"]["info"]["run_id"]

    done = site.run(
        namespace,
        root,
        *LAX[:1],
        "train.seed=53",
        "gate.floors.accuracy=1",
        options=("--variable", "MLFLOW_RUN_ID", opened),
    )

    assert done.code == 0, done.output[-3000:]
    assert done.steps == dict.fromkeys(STEPS[:-1], "succeeded")
    assert site.champion() == before
    if REAL:
        return
    rejected = site.newest()
    assert {"key": "verdict", "value": "rejected"} in rejected["tags"]
    assert rejected["run_id"] == opened
    run = json.loads(get(f"{site.api}/runs/get?run_id={opened}")[1])["run"]
    assert run["info"]["status"] == "RUNNING"
    assert "accuracy" in {each["key"] for each in run["data"]["metrics"]}


def ask(url: str, **body: Any) -> Any:
    command = ["curl", "-sf", "-H", "Content-Type: application/json", "-d", json.dumps(body), url]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_pipeline_deploys_an_accepted_model_and_no_other(
    site: Site, room: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own service account, which can do just this."""
    namespace, root = room
    monkeypatch.setenv("MLOPS_DEPLOY__NAMESPACE", namespace)
    site.project.make("deploy", "ENV=staging", timeout=300)
    before = served(namespace)
    assert before == site.champion()

    who = f"--as=system:serviceaccount:{namespace}:{pods.ACCOUNT}"

    assert not may(who, namespace, "patch", f"deployments/{NAME}")
    pods.allow(site.project, namespace)
    try:
        assert may(who, namespace, "patch", f"deployments/{NAME}")
        for verb, thing in (
            ("patch", "deployments/another"),
            ("create", "deployments"),
            ("delete", f"deployments/{NAME}"),
            ("get", "secrets"),
        ):
            assert not may(who, namespace, verb, thing), (verb, thing)
        image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "x"}]
        words = ("patch", "deployment", NAME, "-n", namespace, who, "--type=json")
        words = (*words, f"-p={json.dumps(image)}")
        end = time.monotonic() + 30  # the API server needs a moment until a policy counts
        while kubectl(*words, "--dry-run=server", check=False) and time.monotonic() < end:
            time.sleep(0.5)
        with pytest.raises(AssertionError, match="the pipeline may change which model is served"):
            kubectl(*words)

        done = site.run(namespace, root, *LAX, "train.seed=51")  # no model that is there already

        assert done.code == 0, done.output[-3000:]
        assert done.steps["deploy_model"] == "succeeded"
        assert served(namespace) == site.champion() != before
        assert re.search(r"answers after [\d.]+ s", done.logs["deploy_model"])
        now = served(namespace)
        rejected = site.run(namespace, root, *LAX[:1], "train.seed=52", "gate.floors.accuracy=1")
        assert "deploy_model" not in rejected.steps
        assert served(namespace) == now
    finally:
        kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", namespace)


@pytest.mark.slow
@pytest.mark.skipif(bool(REAL), reason="make debug does it there")
def test_a_step_waits_until_it_is_told_to_go_on(site: Site, room: tuple[str, Path]) -> None:
    """The variable is KFP's, the command is ours; what waits in Argo's place is the runner's."""
    namespace, root = room
    site.compile(namespace, "pipeline.steps.load_data.pause=true")
    code = "from blueprint.targets.kubeflow.pausing import MARKER, _exec; print(MARKER)"
    python = str(site.project.path / ".venv" / "bin" / "python")
    marker = subprocess.check_output([python, "-c", code], cwd=site.project.path, text=True).strip()

    def running() -> str:
        path = "jsonpath={.items[?(@.status.phase=='Running')].metadata.name}"
        return kubectl("get", "pods", "-n", namespace, "-l", "pipeline/step=load_data", "-o", path)

    command = pods.command(site.project, namespace, root)
    with subprocess.Popen(
        command,
        cwd=site.project.path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(lambda: bool(running()), 60)
            pod = running()
            wait_for(lambda: kubectl("logs", "-n", namespace, pod).endswith("waiting"), 30)
            time.sleep(2)
            assert kubectl("logs", "-n", namespace, pod) == "waiting"
            shown = kubectl("exec", "-n", namespace, pod, "-c", "main", "--", "python", "-V")
            assert shown.startswith("Python 3")

            kubectl("exec", "-n", namespace, pod, "-c", "main", "--", "touch", marker)

            wait_for(lambda: "[load_data] finished" in kubectl("logs", "-n", namespace, pod), 60)
        finally:
            process.kill()


@pytest.fixture
def strict(site: Site, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A namespace with rules, whose images come from a mirror."""
    images = json.loads((site.project.path / "build" / "images.json").read_text())
    mirror = f"{images['pipeline']['pushed'].split('/')[0]}/mirror"
    with pods.room(tmp_path) as (name, root), rules(name, mirror):
        yield name, root


@pytest.mark.slow
@pytest.mark.skipif(bool(REAL), reason="Kubeflow's own pods would have to be left out of the rules")
def test_in_a_cluster_with_rules_each_is_named_and_the_options_meet_them(
    site: Site, strict: tuple[str, Path]
) -> None:
    namespace, root = strict

    def run(**changed: Any) -> Run:
        every = {key: value for key, value in (FITTING | changed).items() if value is not None}
        return site.run(
            namespace, root, "deploy=null", *LAX, f"'pipeline.every={json.dumps(every)}'"
        )

    rejected = run()
    assert rejected.steps == {"load_data": "rejected"}
    assert "images come from the mirror" in rejected.logs["load_data"]
    images = site.project.path / "build" / "images.json"
    before = images.read_text()
    try:
        registry = json.loads(before)["pipeline"]["pushed"].split("/")[0]
        site.project.make("push", f"REGISTRY={registry}/mirror", timeout=300)
        for changed, message in BREAKING:
            rejected = run(**changed)
            assert rejected.code == 1
            assert rejected.steps == {"load_data": "rejected"}, (message, rejected.output[-2000:])
            assert message in rejected.logs["load_data"]

        done = run()

        assert done.code == 0, done.output[-3000:]
        assert {*done.steps.values()} == {"succeeded"}
    finally:
        images.write_text(before)
