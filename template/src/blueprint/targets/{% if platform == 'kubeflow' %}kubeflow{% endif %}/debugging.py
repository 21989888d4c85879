"""`make debug RUN=… STEP=…`: one step of a run on the cluster, in this process, with its inputs.

Parameters come from the run, artifacts from the object store: there Kubeflow puts those of a step
under `<pipeline root>/<pipeline>/<run>/<step>/…/<name>`. What is not there was answered from the
cache: then the step that makes it runs here first.
"""

import shutil
from pathlib import Path
from typing import Any

from kfp import dsl

from ... import pipelines
from ...data.storage import Folder
from ...errors import UserError
from ...runs import STATE
from ...settings import Settings
from .. import graph
from ..debugger import LEFT_OUT, stopping
from .client import Client, connect, errors

KINDS = {
    kind.schema_title: kind
    for kind in (
        dsl.Artifact,
        dsl.Dataset,
        dsl.Model,
        dsl.Metrics,
        dsl.ClassificationMetrics,
        dsl.HTML,
    )
}


def run(settings: Settings, run_id: str, step: str) -> Path:
    """Run the step, and return the folder that holds what it made. An error opens pdb there."""
    steps = [name for name in graph.configure(settings, "").tasks if name not in LEFT_OUT]
    if step not in steps:
        raise UserError(f"STEP={step}: expected {', '.join(steps)}")
    client = connect(settings)
    kubeflow = client.kubeflow
    with errors(kubeflow):
        found = client.get_run(run_id)
        spec = _spec(client, found)
    root = (found.runtime_config and found.runtime_config.pipeline_root) or kubeflow.pipeline_root
    if not root:
        raise UserError(
            "the run does not say where its artifacts are: name the installation's own path in "
            "kubeflow.pipeline_root"
        )
    replay = _Replay(found, spec, root, STATE / "debug" / run_id)
    with stopping():
        replay.call(step.replace("_", "-"))
    print(f"what it made is in {replay.folder / step.replace('_', '-')}")
    return replay.folder / step.replace("_", "-")


def _spec(client: Client, found: Any) -> dict[str, Any]:
    """The pipeline that ran, as it was compiled."""
    spec = found.pipeline_spec
    if not spec:
        version = found.pipeline_version_reference
        spec = client.get_pipeline_version(
            version.pipeline_id, version.pipeline_version_id
        ).pipeline_spec
    return dict(spec.get("pipeline_spec", spec))


class _Replay:
    """Steps of a past run, called here. Their artifacts are `folder`/<step>/<name>."""

    def __init__(self, found: Any, spec: dict[str, Any], root: str, folder: Path) -> None:
        self.run, self.spec, self.folder = found, spec, folder
        name = spec["pipelineInfo"]["name"]
        root = root.replace("minio://", "s3://", 1).rstrip("/")
        self.root = f"{root}/{name}/{found.run_id}".removeprefix("file://")
        defined = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        defaults = {
            key: each["defaultValue"] for key, each in defined.items() if "defaultValue" in each
        }
        given = (found.runtime_config and found.runtime_config.parameters) or {}
        self.parameters: dict[str, Any] = defaults | given

    def call(self, task: str) -> None:
        """Run the step, whatever it made before."""
        described = self.spec["root"]["dag"]["tasks"][task]
        made = self.folder / task
        arguments: dict[str, Any] = {}
        for name, value in described["inputs"].get("parameters", {}).items():
            arguments[name] = self._parameter(value)
        for name, value in described["inputs"].get("artifacts", {}).items():
            source = value["taskOutputArtifact"]
            arguments[name] = self._artifact(source["producerTask"], source["outputArtifactKey"])
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name, kind in self._outputs(task).items():
            arguments[name] = kind(name=name, uri=str(made / name))
        pipelines.COMPONENTS[task.replace("-", "_")].python_func(**arguments)

    def _parameter(self, value: dict[str, Any]) -> Any:
        if "componentInputParameter" in value:
            return self.parameters[value["componentInputParameter"]]
        constant = value["runtimeValue"]["constant"]
        return f"debug of {self.run.run_id}" if "{{$" in str(constant) else constant

    def _artifact(self, task: str, name: str) -> dsl.Artifact:
        path = self.folder / task / name
        if not path.exists() and not self._download(task, name, path):
            print(f"{self.root}/{task} has no {name}: {task} runs here first")
            self.call(task)
        return self._outputs(task)[name](name=name, uri=str(path))

    def _download(self, task: str, name: str, path: Path) -> bool:
        """Fetch an artifact, a file or a folder of them; say whether there is one."""
        folder = Folder(f"{self.root}/{task}")
        found = False
        for key, _, _ in folder.objects():
            parts = key.split("/")
            if name not in parts[:2]:  # a folder of this attempt may be between
                continue
            target = path.joinpath(*parts[parts.index(name) + 1 :])
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                file.writelines(folder.stream(key))
            found = True
        return found

    def _outputs(self, task: str) -> dict[str, type[dsl.Artifact]]:
        component = self.spec["root"]["dag"]["tasks"][task]["componentRef"]["name"]
        defined = self.spec["components"][component]["outputDefinitions"]["artifacts"]
        return {
            name: KINDS.get(each["artifactType"].get("schemaTitle"), dsl.Artifact)
            for name, each in defined.items()
        }
