"""The model card: what a registered version is, how to call it, and where it comes from."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model import Signature, Tensor
from ..record import Record
from . import verdict
from .content import Block, Code, Link, Picture, Report, Section, Table, Width, shorten

if TYPE_CHECKING:  # a comment on a change needs neither MLflow nor the training
    from ...export.record import Training
    from ...registry.client import Version

SHORT_REQUEST = 1500  # characters; a longer one is called by its file's name
MOST_ROWS = 60


@dataclass(frozen=True)
class Evidence:
    """What is known of a version of the model `name`.

    `verdict` is the content of verdict.json. `request` has a row of the test set, `answer` is what
    the model predicts for it. `lock` is the SHA-256 of uv.lock; `picture` that of the MLflow run.
    """

    name: str
    version: "Version"
    verdict: Mapping[str, Any]
    signature: Signature
    training: "Training"
    megabytes: float
    request: Mapping[str, Any]
    answer: Any
    lock: str
    picture: Path | None


def card(evidence: Evidence, record: Record) -> Report:
    """The card, the most important first."""
    training = evidence.training
    first, *more = verdict.sections(record)
    report = Link("report.html", "The whole evaluation, with its plots")
    origin = {
        "MLflow run": evidence.version.run_id,
        "Environment: SHA-256 of uv.lock": evidence.lock,
        "Registered": f"{evidence.version.created:%Y-%m-%d %H:%M} UTC",
    }
    lineage = lineage_section(record, training, origin)
    packages = Link("sbom.cdx.json", "The installed packages, as CycloneDX")
    return Report(
        f"{evidence.name}, version {evidence.version.number}",
        facts(record, training),
        record["accepted"],
        [
            Section(first.title, [*first.blocks, report]),
            *more,
            *_picture(evidence.picture),
            _model(evidence, record),
            _call(evidence),
            training_section(training),
            Section(lineage.title, [*lineage.blocks, packages], lineage.width),
            _columns(evidence.signature),
        ],
    )


def facts(record: Record, training: "Training") -> list[str]:
    """The line under a title: date, commit, framework and Python."""
    found = [
        f"Evaluated {verdict.date(record)}",
        f"commit {_short(record['facts'].get('git.commit', 'unknown'))}",
        training.framework,
        f"Python {training.python}",
    ]
    return [fact for fact in found if fact]


def _short(commit: str) -> str:
    found, dirty, _ = commit.partition("-dirty")
    return found[:12] + dirty


def training_section(training: "Training", width: Width = "narrow") -> Section:
    """The parameters, and where the learning curves ended."""
    rows = [(name, _parameter(value)) for name, value in training.parameters.items()]
    blocks: list[Block] = [Table(("Parameter", "Value"), rows)] if rows else []
    if training.curves:
        blocks.insert(0, f"{training.summary()}.")
    return Section("Training", blocks or ["No parameters."], width)


def lineage_section(
    record: Record, training: "Training", more: Mapping[str, str], width: Width = "wide"
) -> Section:
    """The data, the code and the environment that the model came from."""
    found, trained = record["facts"], training.data
    rows = {
        "Data source": found.get("data.source"),
        "Training rows": trained.get("rows"),
        "SHA-256 of the training rows": trained["hash"],
        "Test rows": found.get("data.test_rows"),
        "SHA-256 of the test rows": found.get("data.test_hash"),
        "SHA-256 of the model": found.get("model.sha256"),
        "Git commit": found.get("git.commit"),
        "Pipeline run": found.get("pipeline.run"),
        **more,
    }
    return Section("Lineage", [_properties(rows.items())], width)


def _properties(rows: Iterable[tuple[str, Any]]) -> Table:
    return Table(("Property", "Value"), [(name, str(value or "–")) for name, value in rows])


def _picture(path: Path | None) -> list[Section]:
    title = path.stem.replace("_", " ").capitalize() if path else ""
    return [Section(title, [Picture(path, title)], "half")] if path else []


def _model(evidence: Evidence, record: Record) -> Section:
    signature, latency = evidence.signature, record.get("latency_ms")
    pictures = [tensor for tensor in signature.inputs if tensor.shape]
    takes = f"{len(signature.inputs)} columns"
    if pictures:
        takes = f"{pictures[0].name} ({_dimensions(pictures[0])} {pictures[0].dtype})"
    gives = "a number"
    if signature.classes:
        gives = f"a probability for each of {len(signature.classes)} classes"
    rows = {
        "Task": signature.task,
        "Input": takes,
        "Output": gives,
        "Classes": ", ".join(_first(signature.classes)),
        "Format": "ONNX" if signature.format == "onnx" else "MLflow pyfunc",
        "Framework": evidence.training.framework,
        "Size": f"{evidence.megabytes:.2f} MB",
        "One prediction": f"{latency:.3g} ms" if latency else "",
    }
    table = _properties(row for row in rows.items() if row[1])
    return Section("Model", [table], "half" if evidence.picture else "full")


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


def _columns(signature: Signature) -> Section:
    rows = [
        (tensor.name, tensor.dtype, _dimensions(tensor), "yes" if tensor.nullable else "no")
        for tensor in signature.inputs[:MOST_ROWS]
    ]
    blocks: list[Block] = [Table(("Column", "Type", "Shape", "May be missing"), rows)]
    if more := len(signature.inputs) - len(rows):
        blocks.append(f"And {more} more: signature.json in the model's folder has them all.")
    return Section("Input columns", blocks)


def _parameter(value: Any) -> str:
    """A parameter as config/ has it: KFP hands every number over as a float."""
    return str(value) if isinstance(value, float) and not value.is_integer() else shorten(value, 99)


def _dimensions(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one value"


def _first(names: Sequence[str]) -> list[str]:
    more = len(names) - MOST_ROWS
    return [*names[:MOST_ROWS], *([f"and {more} more"] if more > 0 else [])]
