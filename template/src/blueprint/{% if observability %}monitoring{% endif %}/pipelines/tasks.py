"""What each step of a pipeline is given, so that it can tell a Pushgateway how it went."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from ...settings import Settings

VARIABLE = "PIPELINE_METRICS"  # of a step's process, on every target


class Told(BaseModel):
    """What a step must know: its pipeline, whom to tell, and whether a run ends with it."""

    pipeline: str
    pushgateway: str
    end: bool
    schedule_seconds: float | None = None


def apply(settings: Settings, name: str, tasks: Mapping[str, Any]) -> None:
    """Give the variable to the tasks of the pipeline of that name, where there is a Pushgateway."""
    if settings.metrics.pushgateway is None:
        return
    needed = {name for task in tasks.values() for name in _needs(task)}
    seconds = settings.metrics.schedules(settings.registry.name).get(name)
    for task in tasks.values():
        told = Told(
            pipeline=name,
            pushgateway=settings.metrics.pushgateway,
            end=task.name not in needed,
            schedule_seconds=seconds,
        )
        task.set_env_variable(VARIABLE, told.model_dump_json())


def _needs(task: Any) -> Iterator[str]:
    """The names of the tasks that come before it."""
    yield from task.dependent_tasks
    yield from (channel.task_name for channel in task.channel_inputs if channel.task_name)
