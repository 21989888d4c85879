"""Draw the panels of a project's dashboards from what a Prometheus holds, where no Grafana runs.

`uv run --with matplotlib python -m tools.panels PROJECT URL SECONDS FOLDER`. The queries are those
that Grafana makes, at the same places; the drawing is not Grafana's own.
"""

import datetime
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

STEPS = 120
VALUES = {"environment": "local", "version": ".*", "pipeline": ".*", "model": ".*"}
DAY = 86_400


def ask(url: str, path: str, **given: Any) -> list[dict[str, Any]]:
    """What Prometheus answers to a query."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(given)}") as answer:
        return list(json.load(answer)["data"]["result"])


def draw(board: dict[str, Any], url: str, seconds: float, job: str, picture: Path) -> None:
    """One dashboard as a PNG: the last `seconds`."""
    from matplotlib import pyplot

    values = {**VALUES, "job": job, "__rate_interval": f"{max(2, round(seconds / 30))}s"}
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    figure = pyplot.figure(figsize=(14, height * 0.42))
    end = time.time()
    for panel in panels:
        place = panel["gridPos"]
        box = (
            place["x"] / 24 + 0.025,
            1 - (place["y"] + place["h"]) / height + 0.035,
            place["w"] / 24 - 0.04,
            place["h"] / height - 0.075,
        )
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=9, loc="left")
        for target in panel["targets"]:
            query = re.sub(r"\$(\w+)", lambda match: values[match[1]], target["expr"])
            if panel["type"] == "timeseries":
                given = {"start": end - seconds, "end": end, "step": seconds / STEPS}
                for series in ask(url, "query_range", query=query, **given):
                    times = [datetime.datetime.fromtimestamp(t) for t, _ in series["values"]]
                    numbers = [float(value) for _, value in series["values"]]
                    name = legend(target["legendFormat"], series["metric"])
                    axes.plot(times, numbers, linewidth=1, label=name)
                axes.tick_params(labelsize=6)
                axes.set_ylim(bottom=0)
            else:
                show(axes, panel, target, ask(url, "query", query=query))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=6, loc="upper left")
    figure.savefig(picture, dpi=80)


def show(axes: Any, panel: dict[str, Any], target: dict[str, Any], found: list[Any]) -> None:
    """The numbers of a panel that shows no line."""
    axes.set_axis_off()
    unit = panel["fieldConfig"]["defaults"]["unit"]
    lines = []
    for series in found[:8]:
        name, value = legend(target["legendFormat"], series["metric"]), float(series["value"][1])
        if panel["type"] == "table":
            name = ", ".join(f"{k}={v[:12]}" for k, v in series["metric"].items() if k[0] != "_")
        only_name = panel["options"].get("textMode") == "name"
        lines.append(name if only_name else f"{name} {in_unit(value, unit)}".strip())
    size = 8 if panel["type"] == "table" else 20 - 2 * len(lines)
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=size)


def in_unit(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit == "s":
        return f"{value * 1000:.1f} ms"
    if unit == "dateTimeFromNow":
        ago = time.time() - value / 1000
        return f"{ago / DAY:.0f} days ago" if ago > DAY else f"{ago:.0f} s ago"
    if unit == "bool_yes_no":
        return "yes" if value else "no"
    return f"{value:g}"


def legend(pattern: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), pattern)


def main() -> None:
    project, url, seconds, folder = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    up = ask(url, "query", query='up{role="server"}')
    job = up[0]["metric"]["job"] if up else ""
    for path in sorted((project / "monitoring/dashboards").glob("*.json")):
        picture = Path(folder) / f"dashboard-{path.stem}.png"
        draw(json.loads(path.read_text()), url, seconds, job, picture)
        print(picture)


if __name__ == "__main__":
    main()
