"""The project's pipelines with what the configuration says: image, options and parameters.

Steps, their order and the parameters are read from the graph itself, so that a step of your own is
a component and a line in pipeline.py.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import wraps
from graphlib import TopologicalSorter
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .. import pipelines, rooms
from ..settings import Settings, SettingsError

FACTS = ("revision", "lock", "snapshot")  # parameters that each run gives by itself: facts.py
FUNCTION = "--function_to_execute"  # KFP's option, before the name of a step's function
# Their results depend on the registry, so they are never cached; doing them again changes nothing.
REPEATABLE = ("evaluate_model", "register_model", "deploy_model")


@dataclass(frozen=True)
class Graph:
    """A pipeline that is ready to be run or compiled.

    `steps` are the functions of its components in an order that they may run in, `tasks` the names
    that options are given by. `repeatable`: a run with nothing new would change nothing.
    """

    pipeline: Any
    steps: list[str]
    tasks: list[str]
    repeatable: bool


def configure(
    settings: Settings,
    image: str | Callable[[str], str],
    entry: str = "training",
    *,
    reread: bool = False,
) -> Graph:
    """The pipeline of that entry point, its steps to run in `image`, or in what that makes of the
    source of a step. With `reread`, steps that read a source that can change are not cached.

    Raises `SettingsError` for options of a step that no pipeline has.
    """
    from kfp import dsl
    from kfp.dsl.pipeline_context import Pipeline

    pipeline, tasks, uncached = pipelines.load(entry), [], set()
    changes = reread and not settings.data.fixed

    @wraps(pipeline.pipeline_func)
    def configured(*args: Any, **kwargs: Any) -> Any:
        outputs = pipeline.pipeline_func(*args, **kwargs)
        for task in Pipeline.get_default_pipeline().tasks.values():
            name = task.name.replace("-", "_")
            tasks.append(name)
            if changes and "snapshot" in task.inputs:
                task.set_caching_options(False)
            settings.pipeline.apply(task, name)
            if not task._task_spec.enable_caching:
                uncached.add(name)
        for room in rooms("tasks"):
            room.apply(settings, name_of(settings, entry), Pipeline.get_default_pipeline().tasks)
        return outputs

    graph = dsl.pipeline(
        name=name_of(settings, entry),
        description=pipeline.description,
        pipeline_config=dsl.PipelineConfig(**settings.pipeline.limits()),
    )(configured)
    spec = graph.pipeline_spec
    for executor in spec.deployment_spec["executors"].values():
        if "container" in executor:
            source = executor["container"]["command"][-1]
            executor["container"]["image"] = image if isinstance(image, str) else image(source)
    if entry == "training":
        _check_steps(settings, tasks)
    steps = list(dict.fromkeys(_functions(spec, spec.root.dag, tasks)))
    return Graph(graph, steps, tasks, uncached <= {*REPEATABLE})


def name_of(settings: Settings, entry: str) -> str:
    """What a pipeline is called where there are those of other projects."""
    return f"{settings.registry.name}-{entry}".removesuffix("-training")


def parameters(settings: Settings, entry: str = "training") -> dict[str, Any]:
    """The values that the configuration has for the pipeline's parameters: sections as JSON values,
    and what `parameters` gives to others."""
    wanted = inspect.signature(pipelines.load(entry).pipeline_func).parameters
    sections = type(settings).model_fields.keys() - {"parameters"}
    values = {"slices": settings.gate.slices.columns, "store": str(settings.serving.store or "")}
    for name in sections & wanted.keys():
        section = getattr(settings, name)
        if hasattr(section, "resolved"):  # it takes what it leaves open from another section
            settings = settings.model_copy(update={name: section.resolved(settings)})
    values |= settings.model_dump(mode="json", include=sections & wanted.keys(), exclude_none=True)
    for name, value in settings.parameters.items():
        where = f"parameters.{name} in config/"
        if name in sections or name in values or name in FACTS:
            raise SettingsError(f"{where}: {name} gets its value elsewhere: leave it out here")
        if name in wanted:
            try:
                values[name] = TypeAdapter(wanted[name].annotation).validate_python(value)
            except ValidationError:
                kind = getattr(wanted[name].annotation, "__name__", wanted[name].annotation)
                raise SettingsError(f"{where}: expected {kind}, got {value!r}") from None
    return {name: value for name, value in values.items() if name in wanted}


def arguments(settings: Settings, facts: dict[str, str], entry: str = "training") -> dict[str, Any]:
    """All arguments of a run of a pipeline. Raises `SettingsError` for a parameter that nothing
    gives a value, and for a value that no pipeline asks for."""
    wanted = inspect.signature(pipelines.load(entry).pipeline_func).parameters
    values = parameters(settings, entry) | {name: facts[name] for name in FACTS if name in wanted}
    known = {
        name
        for entry in pipelines.names()
        for name in inspect.signature(pipelines.load(entry).pipeline_func).parameters
    }
    problems = [
        f"parameters.{name} in config/ is missing: the pipeline has no default for {name}"
        for name, parameter in wanted.items()
        if name not in values and parameter.default is parameter.empty
    ]
    fixed = parameters(settings.model_copy(update={"parameters": {}}), entry)
    others = known - fixed.keys() - {*FACTS}
    problems += [
        _unknown(f"parameters.{name}", name, others, "parameter")
        for name in settings.parameters
        if name not in known
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    return values


def _check_steps(settings: Settings, tasks: list[str]) -> None:
    """Raise `SettingsError` for options of a step that is in none of the pipelines."""
    unknown = [name for name in settings.pipeline.steps if name not in tasks]
    if unknown:
        others = [entry for entry in pipelines.names() if entry != "training"]
        known = {*tasks}.union(*(configure(settings, "", entry).tasks for entry in others))
        if problems := [
            _unknown(f"pipeline.steps.{name}", name, known, "step")
            for name in unknown
            if name not in known
        ]:
            raise SettingsError("\n".join(problems))


def _unknown(key: str, name: str, known: set[str], noun: str) -> str:
    close = get_close_matches(name, known, n=1)
    there = f"there are {', '.join(sorted(known))}" if known else "there are none"
    hint = f"did you mean {close[0]}?" if close else there
    return f"{key} in config/: no pipeline has such a {noun}; {hint}"


def _functions(spec: Any, dag: Any, tasks: list[str]) -> Iterator[str]:
    """The functions of a graph's components, those of nested graphs too, each after what it needs,
    and else in the order of pipeline.py."""

    def written(name: str) -> int:
        step = name.replace("-", "_")
        return tasks.index(step) if step in tasks else len(tasks)

    needed = {name: dag.tasks[name].dependent_tasks for name in sorted(dag.tasks, key=written)}
    for name in TopologicalSorter(needed).static_order():
        component = spec.components[dag.tasks[name].component_ref.name]
        if component.WhichOneof("implementation") == "dag":
            yield from _functions(spec, component.dag, tasks)
            continue
        executor = spec.deployment_spec["executors"][component.executor_label]
        args = [*executor["container"]["args"]] if "container" in executor else []
        yield args[args.index(FUNCTION) + 1] if FUNCTION in args else name.replace("-", "_")
