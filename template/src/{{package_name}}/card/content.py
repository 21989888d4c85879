"""What a card says, before it has a form: sections of texts, tables, commands and a picture."""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluation.metrics import METRICS
from ..gate import number, result
from ..model import Signature, Tensor
from ..tracking import Version
from ..training import Training

SHORT_REQUEST = 1500  # characters; a longer one is called by its file's name
MOST_ROWS = 60


@dataclass(frozen=True)
class Evidence:
    """What is known of a version of the model `name`.

    `verdict` is the content of verdict.json. `request` has a row of the test set, `answer` is what
    the model predicts for it. `lock` is the SHA-256 of uv.lock; `picture` that of the MLflow run.
    """

    name: str
    version: Version
    verdict: Mapping[str, Any]
    signature: Signature
    training: Training
    megabytes: float
    request: Mapping[str, Any]
    answer: Any
    lock: str
    picture: Path | None

    @property
    def accepted(self) -> bool:
        return bool(self.verdict["accepted"])


@dataclass(frozen=True)
class Table:
    """Rows of texts; those in the columns `numbers` are set to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Code:
    """What one types, or gets to see."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A picture: a file beside the Markdown, and part of the page."""

    path: Path
    text: str


@dataclass(frozen=True)
class Link:
    """A file beside the card."""

    file: str
    text: str


Block = str | Table | Code | Picture | Link


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


def sections(evidence: Evidence) -> list[Section]:
    """All that a card says, the most important first."""
    found = [
        *judgement(evidence.verdict),
        _picture(evidence.picture),
        _call(evidence),
        _model(evidence),
        _data(evidence),
        _training(evidence.training),
        _lineage(evidence),
        _columns(evidence.signature),
    ]
    return [section for section in found if section.blocks]


def judgement(verdict: Mapping[str, Any]) -> list[Section]:
    """What the content of verdict.json says: the rules, the metrics, and those of the slices."""
    found = [_verdict(verdict), _metrics(verdict), _slices(verdict)]
    return [section for section in found if section.blocks]


def _verdict(verdict: Mapping[str, Any]) -> Section:
    rows = [(rule["rule"], rule["detail"], result(rule, verdict)) for rule in verdict["rules"]]
    champion = verdict.get("champion")
    against = f"the champion, version {champion['version']}" if champion else "no champion"
    return Section(
        "Accepted" if verdict["accepted"] else "Rejected",
        [
            f"{verdict['reason']}.",
            f"It was judged on the rows of the test set, against {against}.",
            Table(("Rule", "Measured", "Result"), rows),
            Link("report.html", "The whole evaluation, with its plots"),
        ],
    )


def _metrics(verdict: Mapping[str, Any]) -> Section:
    champion = verdict.get("champion") or {}
    others = champion.get("metrics") or {}
    intervals = {name: _interval(verdict, name) for name in verdict["metrics"]}
    head = ["Metric", "This model"]
    head += ["Interval"] if any(intervals.values()) else []
    head += [f"Champion (version {champion['version']})"] if others else []
    rows = []
    for name, value in verdict["metrics"].items():
        row = [METRICS[name].title if name in METRICS else name, _show(value)]
        row += [intervals[name] or "–"] if any(intervals.values()) else []
        row += [_show(others.get(name))] if others else []
        rows.append(row)
    return Section("Metrics", [Table(head, rows, range(1, len(head)))] if rows else [])


def _interval(verdict: Mapping[str, Any], name: str) -> str:
    """The metric's confidence interval, where the verdict has one."""
    try:
        low, high = verdict["intervals"][name]
    except (KeyError, TypeError, ValueError):
        return ""
    return f"{_show(low)} to {_show(high)}"


def _slices(verdict: Mapping[str, Any]) -> Section:
    """A row for each part of the test set that was measured for itself."""
    slices = verdict.get("slices") or []
    names = list(dict.fromkeys(name for part in slices for name in part["metrics"]))
    head = ["Rows with", "Count", *(METRICS[n].title if n in METRICS else n for n in names)]
    rows = [
        [part["name"], str(part["rows"]), *(_show(part["metrics"].get(name)) for name in names)]
        for part in slices
    ]
    table = Table(head, rows, range(1, len(head)))
    return Section("Parts of the test set", [table] if rows else [])


def _picture(path: Path | None) -> Section:
    text = path.stem.replace("_", " ").capitalize() if path else ""
    return Section(text, [Picture(path, text)] if path else [])


def _model(evidence: Evidence) -> Section:
    signature, latency = evidence.signature, evidence.verdict.get("latency_ms")
    pictures = [tensor for tensor in signature.inputs if tensor.shape]
    takes = _shape(pictures[0]) if pictures else f"{len(signature.inputs)} columns"
    if signature.classes:
        gives = f"a probability for each of {len(signature.classes)} classes"
    else:
        gives = "a number"
    rows = [
        ("Task", signature.task),
        ("Form", "ONNX" if signature.format == "onnx" else "MLflow pyfunc"),
        ("Size", f"{evidence.megabytes:.2f} MB"),
        ("SHA-256", signature.sha256),
        *([("One prediction", f"{latency:.3g} ms")] if latency else []),
        ("Registered", f"{evidence.version.created:%Y-%m-%d %H:%M}"),
    ]
    if signature.classes:
        rows.insert(1, ("Classes", ", ".join(_first(signature.classes))))
    return Section("What it is", [f"From {takes} to {gives}.", Table(("Property", "Value"), rows)])


def _call(evidence: Evidence) -> Section:
    request = json.dumps(evidence.request, allow_nan=False)
    file = len(request) > SHORT_REQUEST
    command = (
        f"curl http://127.0.0.1:8080/v1/models/{evidence.name}:predict \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {'@request.json' if file else shlex.quote(request)}"
    )
    blocks: list[Block] = [
        "The address is that of make serve; another server takes the same request.",
        Code(command),
        "It answers, for this row of the test set:",
        Code(json.dumps({"predictions": evidence.answer}, allow_nan=False)),
    ]
    if file:
        blocks.insert(1, Link("request.json", "The request: a row of the test set"))
    return Section("How to call it", blocks)


def _data(evidence: Evidence) -> Section:
    facts, training = evidence.verdict["facts"], evidence.training.data
    rows = [
        ("Training", training.get("rows") or facts.get("data.train_rows"), training["hash"]),
        ("Test", facts.get("data.test_rows"), facts.get("data.test_hash")),
    ]
    table = Table(
        ("Rows of", "Count", "SHA-256 of the values"),
        [[_show(cell) for cell in row] for row in rows],
        numbers=[1],
    )
    return Section("Data", [f"Source: {facts.get('data.source', 'unknown')}", table])


def _training(training: Training) -> Section:
    rows = [(name, _parameter(value)) for name, value in training.parameters.items()]
    return Section("Training", [f"{training.summary()}.", Table(("Parameter", "Value"), rows)])


def _lineage(evidence: Evidence) -> Section:
    facts = evidence.verdict["facts"]
    rows = [
        ("MLflow run", evidence.version.run_id),
        ("Pipeline run", facts.get("pipeline.run", "–")),
        ("Git commit", facts.get("git.commit", "–")),
        ("Environment: SHA-256 of uv.lock", evidence.lock),
        ("Python", evidence.training.python),
    ]
    packages = Link("sbom.cdx.json", "The installed packages, as CycloneDX")
    return Section("Lineage", [Table(("Origin", "Value"), rows), packages])


def _columns(signature: Signature) -> Section:
    rows = [
        (tensor.name, tensor.dtype, _dimensions(tensor), "yes" if tensor.nullable else "no")
        for tensor in signature.inputs[:MOST_ROWS]
    ]
    blocks: list[Block] = [Table(("Column", "Type", "Shape", "May be missing"), rows)]
    if more := len(signature.inputs) - len(rows):
        blocks.append(f"And {more} more: signature.json in the model's folder has them all.")
    return Section("What it takes", blocks)


def _parameter(value: Any) -> str:
    """A parameter as config/ has it: KFP hands every number over as a float."""
    if isinstance(value, bool):
        return str(value).lower()
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _shape(tensor: Tensor) -> str:
    return f"{tensor.name} ({_dimensions(tensor)} {tensor.dtype})"


def _dimensions(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one value"


def _first(names: Sequence[str]) -> list[str]:
    more = len(names) - MOST_ROWS
    return [*names[:MOST_ROWS], *([f"and {more} more"] if more > 0 else [])]


def _show(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return number(value) if isinstance(value, float) else str(value)
