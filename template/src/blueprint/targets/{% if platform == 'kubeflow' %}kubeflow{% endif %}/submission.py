"""`make submit`: the pipeline as a version on the cluster, and a run of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import kfp_server_api as api

from ...settings import Settings
from .. import facts, graph, preflight
from ..compiling import compile_pipeline, contents, path_of, pipeline_image
from . import following, readiness
from .client import Client, ClusterError, connect, errors, named


@dataclass(frozen=True)
class Uploaded:
    """The pipeline as the cluster has it."""

    client: Client
    pipeline_id: str
    version_id: str
    version: str
    experiment_id: str


def submit(settings: Settings, *, wait: bool = False, entry: str = "training") -> str:
    """Start a run, print its link, and return its id; `wait` follows it to its end.

    Raises a UserError when the cluster cannot be reached, rejects it, or, with `wait`, fails.
    """
    uploaded = upload(settings, entry)
    client, kubeflow = uploaded.client, uploaded.client.kubeflow
    cached = bool(settings.pipeline.step("load_data").cache)
    snapshot = facts.snapshot(settings.data, cached)
    with errors(kubeflow):
        run = client.run_pipeline(
            uploaded.experiment_id,
            f"{graph.name_of(settings, entry)} {datetime.now():%Y-%m-%d %H:%M:%S}",
            pipeline_id=uploaded.pipeline_id,
            version_id=uploaded.version_id,
            params=arguments(settings, snapshot, entry),
            pipeline_root=kubeflow.pipeline_root,
            service_account=kubeflow.service_account,
        )
    print(f"run {run.run_id}: {client.link(f'runs/details/{run.run_id}')}", flush=True)
    if wait:
        steps = graph.configure(settings, "", entry).steps
        following.follow(client, kubeflow, run.run_id, steps)
    return str(run.run_id)


def arguments(settings: Settings, snapshot: str, entry: str = "training") -> dict[str, Any]:
    """What the defaults in the compiled pipeline leave open."""
    given = {"revision": facts.revision(), "lock": facts.lock_hash(), "snapshot": snapshot}
    values = graph.arguments(settings, given, entry)
    return {name: value for name, value in values.items() if name in given}


def upload(settings: Settings, entry: str = "training") -> Uploaded:
    """Compile, and have the cluster know the pipeline, this version of it, and the experiment.

    A version is named by the commit and a hash of the compiled pipeline: the same is uploaded once.
    """
    preflight.check(settings, here=False)
    problems = readiness.problems(settings)
    if problems:
        raise ClusterError("\n".join(problems))
    arguments(settings, "", entry)  # so that a parameter without a value is found here
    client = connect(settings)
    spec = path_of(entry)
    compile_pipeline(settings, spec, pipeline_image(settings), entry, pushed=True)
    content = json.dumps(contents(spec), sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:8]
    commit, _, dirty = facts.revision().partition("-")
    version = f"{commit[:12]}{'-dirty' if dirty else ''}-{digest}"
    kubeflow, name = client.kubeflow, graph.name_of(settings, entry)
    with errors(kubeflow):
        pipeline = _pipeline(client, name)
        version_id, state = _version(client, pipeline, version, spec)
        experiment = client.create_experiment(experiment_name(settings))
    print(f"pipeline {name}, version {version} ({state})", flush=True)
    return Uploaded(client, pipeline, version_id, version, experiment.experiment_id)


def experiment_name(settings: Settings) -> str:
    """Where runs are filed."""
    named = settings.kubeflow and settings.kubeflow.experiment
    return str(named or settings.registry.name)


def _pipeline(client: Client, name: str) -> str:
    """The pipeline's id; it is made where there is none. Versions are uploaded on their own."""
    namespace = client.get_user_namespace() or None
    found = client.list_pipelines(filter=named(name), namespace=namespace).pipelines
    if found:
        return str(found[0].pipeline_id)
    made = api.V2beta1Pipeline(display_name=name, name=name, namespace=namespace)
    return str(client.pipelines.pipeline_service_create_pipeline(made).pipeline_id)


def _version(client: Client, pipeline: str, name: str, spec: Path) -> tuple[str, str]:
    listed: Any = client.list_pipeline_versions(pipeline, filter=named(name))
    if listed.pipeline_versions:
        return str(listed.pipeline_versions[0].pipeline_version_id), "there already"
    uploaded = client.upload_pipeline_version(str(spec), name, pipeline_id=pipeline)
    return str(uploaded.pipeline_version_id), "new"
