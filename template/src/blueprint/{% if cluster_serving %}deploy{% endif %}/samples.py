"""The numbers that the gate of a canary compares: read from Prometheus, or from the servers.

The lean server, BentoML's and TensorFlow Serving name their metrics each in its own way; READERS
says what they mean. All are counters, so what was answered in some time is a difference.
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from ..errors import UserError
from .canary import Sample

SECONDS = 10  # that one reading may take
CLIENT_MISTAKES = {  # of https://grpc.io/docs/guides/status-codes, as TensorFlow Serving counts
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
}

Labels = Mapping[str, str]
Series = tuple[str, Labels, float]  # name, labels, value
Read = Callable[[Iterable[str]], dict[str, Sample]]  # pods → what each answered since it started


class Reader(NamedTuple):
    """A metric that counts something: its label that matters, and the sample that one value is."""

    label: str
    sample: Callable[[str, float], Sample]


def _by_code(code: str, count: float) -> Sample:
    return Sample(count, count if code >= "5" else 0, count if code[:1] == "4" else 0)


def _by_status(status: str, count: float) -> Sample:
    if status == "OK":
        return Sample(count)
    mistake = status in CLIENT_MISTAKES
    return Sample(count, 0 if mistake else count, count if mistake else 0)


def _by_seconds(bound: str, count: float) -> Sample:
    return Sample(latency={float(bound): count})


def _by_microseconds(bound: str, count: float) -> Sample:
    return Sample(latency={float(bound) / 1e6: count})


READERS = {  # by their names without the ending `_total`, which a parser may add
    "predict_requests": Reader("code", _by_code),
    "predict_request_seconds_bucket": Reader("le", _by_seconds),
    "predicted_values": Reader("value", lambda value, n: Sample(predicted={value: n})),
    ":tensorflow:serving:request_count": Reader("status", _by_status),
    ":tensorflow:serving:request_latency_bucket": Reader("le", _by_microseconds),
}


class Window:
    """What the pods of one version answered since this was made, or since they started."""

    def __init__(self, read: Read, pods: Iterable[str]) -> None:
        self._read, self._last = read, read(pods)
        self.total = Sample()

    @property
    def since_start(self) -> Sample:
        """What they answered in all of their time, as far as it was seen."""
        return sum(self._last.values(), Sample())

    def update(self, pods: Iterable[str]) -> Sample:
        """Read again and return the new total; a pod that is gone keeps what it had."""
        for pod, now in self._read(pods).items():
            self.total += _since(now, self._last.get(pod, Sample()))
            self._last[pod] = now
        return self.total


def sample(series: Iterable[Series]) -> Sample:
    """What one pod answered, from all that it counts."""
    found = Sample()
    for name, labels, value in series:
        if reader := READERS.get(name.removesuffix("_total")):
            found += reader.sample(labels.get(reader.label, ""), value)
    return found


def from_pods(get: Callable[[str], str], namespace: str, port: int, path: str = "/metrics") -> Read:
    """Read each server's own page through the API server; `get` asks that for a path.

    A pod that does not answer is left out: whether it is ready is asked elsewhere.
    """

    def read(pods: Iterable[str]) -> dict[str, Sample]:
        found = {}
        for pod in pods:
            if text := get(f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"):
                found[pod] = sample(_parse(text))
        return found

    return read


def from_prometheus(url: str, namespace: str) -> Read:
    """Ask Prometheus, whose series have the labels `namespace` and `pod`."""

    def read(pods: Iterable[str]) -> dict[str, Sample]:
        names, which = f"({'|'.join(READERS)})(_total)?", "|".join(re.escape(pod) for pod in pods)
        if not which:
            return {}
        selector = {"__name__": names, "pod": which}
        matchers = [f"{label}=~{json.dumps(each)}" for label, each in selector.items()]
        query = "{" + ", ".join([*matchers, f"namespace={json.dumps(namespace)}"]) + "}"
        by_pod: dict[str, list[Series]] = {}
        for series in _query(url, query):
            labels = series["metric"]
            value = float(series["value"][1])
            by_pod.setdefault(labels["pod"], []).append((labels["__name__"], labels, value))
        return {pod: sample(each) for pod, each in by_pod.items()}

    return read


def _since(now: Sample, before: Sample) -> Sample:
    """The difference of two readings of one pod; after a restart its counters began at zero."""
    if now.requests < before.requests:
        return now
    return Sample(
        now.requests - before.requests,
        now.errors - before.errors,
        now.rejected - before.rejected,
        {bound: count - before.latency.get(bound, 0) for bound, count in now.latency.items()},
        {value: count - before.predicted.get(value, 0) for value, count in now.predicted.items()},
    )


def _parse(text: str) -> Iterable[Series]:
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            yield each.name, each.labels, each.value


def _query(url: str, query: str) -> list[dict[str, Any]]:
    body = urllib.parse.urlencode({"query": query}).encode()
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/v1/query", body, SECONDS) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found
    except urllib.error.HTTPError as error:
        detail = error.read(300).decode(errors="replace")
        raise UserError(f"deploy.prometheus {url}: answers {error.code}: {detail}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"deploy.prometheus {url}: cannot be asked: {reason}") from error
