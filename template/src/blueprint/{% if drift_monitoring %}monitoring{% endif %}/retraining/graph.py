"""A pipeline around another one: its parameters and its steps, without writing them twice."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any


def with_parameters_of(pipeline: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a function with `**others` the parameters of `pipeline` in their place.

    A parameter that you add to that pipeline is one of this, too.
    """

    def extend(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function)
        named = [each for each in own.parameters.values() if each.kind is not each.VAR_KEYWORD]
        inherited = inspect.signature(pipeline.pipeline_func).parameters.values()
        named += [each for each in inherited if each.name not in own.parameters]
        named = [each.replace(kind=each.POSITIONAL_OR_KEYWORD) for each in named]
        named.sort(key=lambda each: each.default is not each.empty)
        extended = own.replace(parameters=named)

        @wraps(function)
        def call(*values: Any, **others: Any) -> None:
            function(**extended.bind(*values, **others).arguments)

        call.__signature__ = extended  # type: ignore[attr-defined]
        return call

    return extend


def steps_of(pipeline: Any, values: Mapping[str, Any]) -> list[Any]:
    """Add the steps of `pipeline` to the one that is being made; return those that run in any case.

    They are steps of that one then, with its options, its cache, and the same run.
    """
    from kfp.dsl.pipeline_context import Pipeline

    tasks = Pipeline.get_default_pipeline().groups[-1].tasks
    before = len(tasks)
    pipeline.pipeline_func(**values)
    return list(tasks[before:])
