"""What the configuration gives a step's pod: in the compiled pipeline, and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

from blueprint import pipelines, settings
from blueprint.settings import SettingsError
from blueprint.targets.compiling import compile_all, compile_pipeline
from blueprint.targets.kubeflow.pods import portable

IMAGE = "registry.example.com/pipeline@sha256:1"
EVERY = {
    "cpu": "500m",
    "memory": "2Gi",
    "timeout_seconds": 3600,
    "variables": {"AWS_REGION": "eu-central-1"},
    "secrets": {"objects": {"access": "AWS_ACCESS_KEY_ID"}},
    "image_pull_secrets": ["registry"],
    "labels": {"team": "vision"},
    "annotations": {"example.com/cost": "42"},
    "config_maps": {"network": {"proxy": "HTTPS_PROXY"}},
    "run_as_non_root": True,
}
TRAIN = {
    "memory": "8Gi",
    "gpu": 2,
    "gpu_resource": "amd.com/gpu",
    "shared_memory": "1Gi",
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "secrets": {"database": {"password": "DATABASE_PASSWORD"}},
    "retries": 3,
    "cache": False,
    "cpu_limit": "4",
    "volumes": {
        "claims": {"datasets": "/data"},
        "config_maps": {"company-ca": "/etc/company"},
        "secrets": {"tls": "/etc/tls"},
    },
}
OPTIONS = [
    f"pipeline.every={json.dumps(EVERY)}",
    f"pipeline.steps.train_model={json.dumps(TRAIN)}",
    "pipeline.ttl_seconds=600",
    "pipeline.timeout_seconds=7200",
    "pipeline.workspace={size: 10Gi, storage_class: fast, access_modes: [ReadWriteMany]}",
]
# Where a cluster's pipeline may differ from a laptop's; `*` is any name.
MAY_DIFFER = [
    "deploymentSpec.executors.*.container.image",
    "deploymentSpec.executors.*.container.env",
    "deploymentSpec.executors.*.container.resources",
    "root.dag.tasks.*.cachingOptions",
    "root.dag.tasks.*.retryPolicy",
    "root.inputDefinitions.parameters.*.defaultValue",
]


def compiled(loaded, entry="training", image=IMAGE):
    path = Path("build/compiled.yaml")
    compile_pipeline(loaded, path, image, entry)
    spec, *platform = yaml.safe_load_all(path.read_text())
    return spec, *platform


def differences(one, other, path=()):
    """The paths at which two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), (*path, key))
    elif one != other:
        yield ".".join(path)


def allowed(path):
    parts = path.split(".")
    for pattern in MAY_DIFFER:
        wanted = pattern.split(".")
        pairs = zip(wanted, parts, strict=False)
        if len(parts) >= len(wanted) and all(want in ("*", part) for want, part in pairs):
            return True
    return False


def test_a_clusters_pipeline_differs_in_named_fields_only(load):
    local, *nothing = compiled(load(), image="local/python:1")
    cluster, platform = compiled(load(*OPTIONS, "registry.tracking_uri=http://mlflow:5000"))

    found = set(differences(local, cluster))
    assert {path for path in found if not allowed(path)} == set()
    for pattern in MAY_DIFFER:
        head, _, tail = pattern.partition(".*.")
        assert [path for path in found if path.startswith(head) and tail in path], pattern
    assert nothing == []
    assert [*platform] == ["platforms"]


def test_options_reach_the_steps_they_are_for(load):
    spec, platform = compiled(load(*OPTIONS))

    json_format.ParseDict(spec, PipelineSpec())
    json_format.ParseDict(platform, PlatformSpec())
    kubernetes = platform["platforms"]["kubernetes"]
    patch = {"storageClassName": "fast", "accessModes": ["ReadWriteMany"]}
    assert kubernetes["pipelineConfig"] == {
        "resourceTtlOnCompletion": 600,
        "activeDeadlineSeconds": 7200,
        "workspace": {"size": "10Gi", "kubernetes": {"pvcSpecPatch": patch}},
    }
    pods = kubernetes["deploymentSpec"]["executors"]
    assert len(pods) == 5
    for name, pod in pods.items():
        parsed = json_format.ParseDict(pod, KubernetesExecutorConfig())
        assert parsed.active_deadline_seconds == 3600
        assert [each.secret_name for each in parsed.image_pull_secret] == ["registry"]
        variables = {
            e.env_var: each.secret_name for each in parsed.secret_as_env for e in each.key_to_env
        }
        train = name == "exec-train-model"
        own = {"DATABASE_PASSWORD": "database"} if train else {}
        assert variables == {"AWS_ACCESS_KEY_ID": "objects"} | own
        assert dict(parsed.pod_metadata.labels) == {"team": "vision"}
        assert dict(parsed.pod_metadata.annotations) == {"example.com/cost": "42"}
        assert [each.config_map_name for each in parsed.config_map_as_env] == ["network"]
        assert parsed.security_context.run_as_non_root
        volumes = [(each.constant, each.mount_path) for each in parsed.pvc_mount]
        volumes += [(m.config_map_name, m.mount_path) for m in parsed.config_map_as_volume]
        volumes += [(m.secret_name, m.mount_path) for m in parsed.secret_as_volume]
        mine = [("datasets", "/data"), ("company-ca", "/etc/company"), ("tls", "/etc/tls")]
        assert volumes == (mine if train else [])
        assert dict(parsed.node_selector.labels) == ({"pool": "gpu"} if train else {})
        assert [each.key for each in parsed.tolerations] == (["gpu"] if train else [])
        mounts = [(m.mount_path, m.medium, m.size_limit) for m in parsed.empty_dir_mounts]
        assert mounts == ([("/dev/shm", "Memory", "1Gi")] if train else [])
    for name, executor in spec["deploymentSpec"]["executors"].items():
        container = executor["container"]
        assert container["env"] == [{"name": "AWS_REGION", "value": "eu-central-1"}]
        resources = container["resources"]
        train = name == "exec-train-model"
        assert resources["resourceCpuRequest"] == "500m"
        assert resources["resourceMemoryRequest"] == ("8Gi" if train else "2Gi")
        assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"]
        assert resources.get("resourceCpuLimit") == ("4" if train else None)
        assert ("accelerator" in resources) is train
    resources = spec["deploymentSpec"]["executors"]["exec-train-model"]["container"]["resources"]
    assert resources["accelerator"]["resourceType"] == "amd.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "2"
    tasks = spec["root"]["dag"]["tasks"]
    assert tasks["train-model"]["retryPolicy"]["maxRetryCount"] == 3
    assert tasks["train-model"]["cachingOptions"] == {}
    assert "retryPolicy" not in tasks["load-data"]


def test_a_portable_file_is_one_document_that_holds_nothing_of_kubernetes(load):
    """Vertex AI's client takes one document alone; what every backend knows is in the first."""
    compile_all(portable(load(*OPTIONS, f"pipeline.image={IMAGE}")))

    for path in Path("build").glob("*.yaml"):
        text = path.read_text()
        spec = yaml.safe_load(text)  # one document, or an error
        json_format.ParseDict(spec, PipelineSpec(), ignore_unknown_fields=False)
        for mine in ("platforms", "objects", "company-ca", "datasets", "network", "10Gi", "cost"):
            assert mine not in text, (path, mine)
        for executor in spec["deploymentSpec"]["executors"].values():
            assert executor["container"]["image"] == IMAGE
            assert executor["container"]["env"] == [{"name": "AWS_REGION", "value": "eu-central-1"}]
    resources = yaml.safe_load(Path("build/training.yaml").read_text())["deploymentSpec"][
        "executors"
    ]["exec-train-model"]["container"]["resources"]
    assert (resources["resourceMemoryLimit"], resources["accelerator"]["resourceCount"]) == (
        "8Gi",
        "2",
    )


def test_batch_prediction_is_tried_again_as_often_as_configured(load):
    if "batch-prediction" not in pipelines.names():
        pytest.skip("this project scores no files")
    [spec] = compiled(load(), "batch-prediction")
    assert spec["root"]["dag"]["tasks"]["score-rows"]["retryPolicy"]["maxRetryCount"] == 2

    given = [*OPTIONS, "pipeline.steps.score_rows.retries=5"]
    spec, _ = compiled(load(*given), "batch-prediction")
    assert spec["root"]["dag"]["tasks"]["score-rows"]["retryPolicy"]["maxRetryCount"] == 5


def test_a_source_that_changes_is_read_in_every_run(load):
    files = ["data.source=files", "data.files={path: 's3://bucket/*.csv'}"]
    for overrides, cached in (([], True), (files, False)):
        spec, *_ = compiled(load(*overrides))
        caching = spec["root"]["dag"]["tasks"]["load-data"]["cachingOptions"]
        assert bool(caching.get("enableCache")) is cached
    spec, *_ = compiled(load(*files, "pipeline.steps.load_data.cache=true"))
    assert spec["root"]["dag"]["tasks"]["load-data"]["cachingOptions"] == {"enableCache": True}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pipeline.every.cpu=much", "command line: pipeline.every.cpu: expected a number of cores"),
        ("pipeline.every.memory=2 GB", "pipeline.every.memory: expected a size, such as 4Gi"),
        ("pipeline.every.gpus=1", "command line: pipeline.every.gpus: no such key"),
        ("pipeline.every.secrets={a: {key: 'A-B'}}", "expected the name of a variable"),
        ("pipeline.every.secrets={A_b: {key: A}}", "expected a name in Kubernetes"),
        ("pipeline.every.volumes={claims: {data: data}}", "expected an absolute path"),
        ("pipeline.workspace={storage_class: fast}", "pipeline.workspace.size"),
        ("pipeline.every.tolerations=[{operator: Exists, value: x}]", "Exists takes no value"),
        ("pipeline.every.tolerations=[{value: x}]", "operator: Equal needs a key"),
    ],
)
def test_a_wrong_option_is_named(load, override, message):
    with pytest.raises(SettingsError, match=message):
        load(override)


RUN = """
import sys
import kfp
from kfp import local

sys.executable = "python3"  # kfp writes it unquoted into a shell command
local.init(local.SubprocessRunner(use_venv=False), pipeline_root="runs")
kfp.components.load_component_from_file("pipeline.yaml")()
"""


def test_the_file_alone_runs_where_nothing_of_this_project_is(folder):
    """An empty folder and a bare environment: no path, address or file of here is in it."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    compile_pipeline(settings.load("test", OPTIONS), elsewhere / "pipeline.yaml", IMAGE)
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"

    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=elsewhere,
        env={"PATH": path, "HOME": str(elsewhere), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [pointer] = elsewhere.glob(".mlops/store/*/current.json")
    assert json.loads(pointer.read_text())["version"] == "1"
    assert (elsewhere / ".mlops/mlflow.db").exists()
    # What steps say of their artifacts must be what a cluster can keep: no null, no NaN.
    records = [*elsewhere.glob("runs/**/executor_output.json")]
    assert len(records) >= 3
    for record in records:
        said = json.loads(record.read_text(), parse_constant=pytest.fail)
        for artifacts in said.get("artifacts", {}).values():
            metadata = [artifact.get("metadata", {}) for artifact in artifacts["artifacts"]]
            assert not [each for each in metadata if None in each.values()]
    assert not Path(".mlops").exists()
