"""The numbers that the gate of a canary compares: Cloud Monitoring's, of each deployed version.

https://cloud.google.com/monitoring/api/metrics_gcp_a_b: they are written each minute, and are seen
up to two minutes later.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from .calls import Calls, Object
from .canary import Sample

METRIC = "aiplatform.googleapis.com/prediction/online/{}"
RESPONSES, LATENCIES = "response_count", "prediction_latencies"


def read(calls: Calls, endpoint: str, begin: datetime, end: datetime) -> dict[str, Sample]:
    """What each version answered in that time, by its id on the endpoint. Times have a zone."""
    found: dict[str, Sample] = {}
    for series in _series(calls, endpoint, RESPONSES, begin, end):
        code = series["metric"]["labels"].get("response_code", "")
        count = sum(float(each.get("int64Value", 0)) for each in _values(series, begin))
        one = Sample(count, count * (code[:1] == "5"), count * (code[:1] == "4"))
        _add(found, series, one)
    for series in _series(calls, endpoint, LATENCIES, begin, end):
        if series["metric"]["labels"].get("latency_type", "total") == "total":
            for value in _values(series, begin):
                _add(found, series, Sample(latency=seconds(value.get("distributionValue", {}))))
    return found


def seconds(distribution: Mapping[str, Any]) -> dict[float, float]:
    """A distribution of milliseconds, as counts of what took no longer than so many seconds."""
    counts = [float(each) for each in distribution.get("bucketCounts", ())]
    bounds, total = _bounds(distribution.get("bucketOptions", {})), 0.0
    below: dict[float, float] = {}
    for at, bound in enumerate(bounds):
        total += counts[at] if at < len(counts) else 0
        below[bound / 1000] = total
    return {**below, math.inf: float(distribution.get("count", 0))}


def _bounds(options: Mapping[str, Any]) -> list[float]:
    if explicit := options.get("explicitBuckets"):
        return [float(each) for each in explicit.get("bounds", ())]
    if growing := options.get("exponentialBuckets"):
        scale, factor = float(growing["scale"]), float(growing["growthFactor"])
        return [scale * factor**at for at in range(int(growing["numFiniteBuckets"]) + 1)]
    even = options.get("linearBuckets") or {"numFiniteBuckets": -1}
    width, offset = float(even.get("width", 0)), float(even.get("offset", 0))
    return [offset + width * at for at in range(int(even["numFiniteBuckets"]) + 1)]


def _series(
    calls: Calls, endpoint: str, metric: str, begin: datetime, end: datetime
) -> Iterator[Object]:
    terms = {
        "metric.type": METRIC.format(metric),
        "resource.type": "aiplatform.googleapis.com/Endpoint",
        "resource.labels.endpoint_id": endpoint,
    }
    query = {
        "filter": " AND ".join(f'{key}="{value}"' for key, value in terms.items()),
        "interval.startTime": begin.isoformat(),
        "interval.endTime": end.isoformat(),
    }
    path = f"v3/projects/{calls.vertex.project}/timeSeries"
    return calls.api.pages("monitoring", path, "timeSeries", **query)


def _values(series: Object, begin: datetime) -> Iterator[Object]:
    """The values of the minutes that lie in the time: one that began before it is of both."""
    for point in series.get("points", ()):
        start = point["interval"].get("startTime") or point["interval"]["endTime"]
        if datetime.fromisoformat(start) >= begin:
            yield point["value"]


def _add(found: dict[str, Sample], series: Object, one: Sample) -> None:
    id = str(series["metric"]["labels"].get("deployed_model_id", ""))
    found[id] = found.get(id, Sample()) + one
