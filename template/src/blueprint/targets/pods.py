"""What the configuration gives a step's pod, put into a pipeline when it is compiled.

The only use of kfp-kubernetes: the pipelines themselves know no cluster.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

from kfp import dsl
from kfp.dsl.pipeline_context import Pipeline as Graph

from .settings import Pipeline, Step


def with_options(pipeline: Any, options: Pipeline, caches: Mapping[str, bool] | None = None) -> Any:
    """The same pipeline, its tasks with the options of their steps.

    `caches` says for a step whether its results may be reused where the options leave it open.
    """

    @wraps(pipeline.pipeline_func)
    def configured(*args: Any, **kwargs: Any) -> None:
        pipeline.pipeline_func(*args, **kwargs)
        for task in Graph.get_default_pipeline().tasks.values():
            name = task.name.replace("-", "_")
            step = options.step(name)
            _apply(task, step)
            cache = step.cache if step.cache is not None else (caches or {}).get(name)
            if cache is not None:
                task.set_caching_options(cache)

    return dsl.pipeline(
        name=pipeline.name,
        description=pipeline.description,
        pipeline_config=dsl.PipelineConfig(ttl_seconds_after_finished=options.ttl_seconds),
    )(configured)


def _apply(task: Any, step: Step) -> None:
    from kfp import kubernetes

    if step.cpu:
        task.set_cpu_request(step.cpu)
    if step.memory:
        task.set_memory_request(step.memory).set_memory_limit(step.memory)
    if step.gpu:
        task.set_accelerator_type(step.gpu_resource).set_accelerator_limit(step.gpu)
    if step.retries is not None:
        task.set_retry(num_retries=step.retries)
    for variable, value in step.variables.items():
        task.set_env_variable(variable, value)
    for label, value in step.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in step.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    for secret, keys in step.secrets.items():
        kubernetes.use_secret_as_env(task, secret, keys)
    if step.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, step.image_pull_secrets)
    if step.shared_memory:
        size = step.shared_memory
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", size)
    if step.timeout_seconds:
        kubernetes.set_timeout(task, step.timeout_seconds)
