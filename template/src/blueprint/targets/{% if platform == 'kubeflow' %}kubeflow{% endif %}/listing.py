"""`make runs`: what runs on the cluster, and what is to."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from ... import pipelines
from ...settings import Settings
from .. import graph
from .client import connect, errors
from .schedules import find, find_experiment
from .submission import experiment_name

MOST = 20


def show(settings: Settings) -> None:
    """Print the newest runs of the experiment, and its schedule."""
    client = connect(settings)
    kubeflow = client.kubeflow
    with errors(kubeflow):
        experiment = find_experiment(client, experiment_name(settings))
        runs: list[Any] = []
        scheduled: list[Any] = []
        if experiment:
            listed = client.list_runs(
                experiment_id=experiment, sort_by="created_at desc", page_size=MOST
            )
            runs = listed.runs or []
            for entry in pipelines.names():
                scheduled += find(client, graph.name_of(settings, entry), experiment)
    if not runs:
        print(f"no run of {experiment_name(settings)} yet: `make submit` starts one")
    else:
        console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
        console.print(_table(runs))
        print(client.link(f"experiments/details/{experiment}"))
    for each in scheduled:
        cron = each.trigger.cron_schedule.cron if each.trigger.cron_schedule else "?"
        text = f"{cron.removeprefix('0 ')} (UTC), {str(each.mode).lower()}d"
        print(f"scheduled: {each.display_name} {text}")


def _table(runs: list[Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("run", "state", "started", "minutes", "by"):
        table.add_column(column, no_wrap=True, justify="right" if column == "minutes" else "left")
    for run in runs:
        ended = run.finished_at and run.finished_at.year > 1970 and run.created_at
        minutes = (run.finished_at - run.created_at).total_seconds() / 60 if ended else None
        color = {"SUCCEEDED": "green", "FAILED": "red"}.get(str(run.state), "default")
        table.add_row(
            run.run_id,
            f"[{color}]{str(run.state).lower()}[/]",
            f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else "–",
            f"{minutes:.1f}" if minutes is not None else "–",
            "schedule" if run.recurring_run_id else "hand",
        )
    return table
