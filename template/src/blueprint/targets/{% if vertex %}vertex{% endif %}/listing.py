"""`make runs`: what runs on Vertex AI, and what is to."""

import sys
from datetime import datetime
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table

from ... import pipelines
from ...settings import Settings
from .. import graph
from .client import CONSOLE, Api, section
from .schedules import find
from .submission import label

MOST = 20
FIELDS = "name,state,createTime,endTime,scheduleName"
COLORS = {"succeeded": "green", "failed": "red"}


def show(settings: Settings) -> None:
    """Print the newest runs of the project's pipelines, and their schedules."""
    vertex = section(settings)
    api = Api(vertex)
    wanted = f'labels.model="{label(settings.registry.name)}"'
    path, order = f"v1/{vertex.parent}/pipelineJobs", "create_time desc"
    query = {"filter": wanted, "orderBy": order, "pageSize": MOST, "readMask": FIELDS}
    runs = [*islice(api.pages("aiplatform", path, "pipelineJobs", **query), MOST)]
    if not runs:
        print(f"no run of {settings.registry.name} yet: `make submit` starts one")
    else:
        console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
        console.print(_table(runs))
        print(f"{CONSOLE}/runs?project={vertex.project}")
    for entry in pipelines.names():
        name = graph.name_of(settings, entry)
        for each in find(api, name):
            zone, _, cron = each.get("cron", "").removeprefix("TZ=").partition(" ")
            print(f"scheduled: {name} {cron} ({zone}), {each.get('state', '').lower()}")


def _table(runs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("run", "state", "started", "minutes", "by"):
        table.add_column(column, no_wrap=True, justify="right" if column == "minutes" else "left")
    for run in runs:
        state = run.get("state", "").removeprefix("PIPELINE_STATE_").lower()
        begin, end = _time(run.get("createTime")), _time(run.get("endTime"))
        table.add_row(
            run["name"].rpartition("/")[2],
            f"[{COLORS.get(state, 'default')}]{state}[/]",
            f"{begin:%Y-%m-%d %H:%M}" if begin else "–",
            f"{(end - begin).total_seconds() / 60:.1f}" if begin and end else "–",
            "schedule" if run.get("scheduleName") else "hand",
        )
    return table


def _time(text: str | None) -> datetime | None:
    """A time of the API's, which may have nine digits of a second."""
    return datetime.fromisoformat(f"{text[:19]}+00:00") if text else None
