"""The model card: what a registered version is, how to call it, and where it comes from."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model import Signature, Tensor
from ...text import count, listing
from ..record import Evaluation
from . import tables
from .blocks import Block, Section, Table, pairs

if TYPE_CHECKING:
    from ...export.record import Training
    from ...registry.client import Version

SHORT_REQUEST = 1500  # characters; a longer one is called by its file's name
MOST_ROWS = 60


@dataclass(frozen=True)
class Card:
    """What is known of a version of the model `name`.

    `verdict` is the content of verdict.json. `request` has a row of the test set, `answer` is what
    the model predicts for it. `lock` is the SHA-256 of uv.lock.
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


def sections(card: Card, evaluation: Evaluation) -> list[Section]:
    """The card, the most important first."""
    first, *more = tables.sections(evaluation)
    origin = {
        "MLflow run": card.version.run_id,
        "Environment: SHA-256 of uv.lock": card.lock,
        "Registered": f"{card.version.created:%Y-%m-%d %H:%M} UTC",
    }
    lineage = tables.lineage(evaluation, card.training, origin)
    report = Block("link", "The whole evaluation, with its plots", "report.html")
    packages = Block("link", "The installed packages, as CycloneDX", "sbom.cdx.json")
    return [
        first._replace(blocks=[*first.blocks, report]),
        *more,
        _model(card, evaluation),
        _call(card),
        tables.training(card.training),
        lineage._replace(blocks=[*lineage.blocks, packages]),
        _columns(card.signature),
    ]


def _model(card: Card, evaluation: Evaluation) -> Section:
    signature, latency = card.signature, evaluation.latency_ms
    picture = next((tensor for tensor in signature.inputs if tensor.shape), None)
    takes = count(len(signature.inputs), "column")
    if picture:
        takes = f"{picture.name} ({_dimensions(picture)} {picture.dtype})"
    classes = len(signature.classes)
    values = {
        "Task": signature.task,
        "Input": takes,
        "Output": f"a probability for each of {classes} classes" if classes else "a number",
        "Classes": listing(signature.classes, MOST_ROWS),
        "Format": "ONNX" if signature.format == "onnx" else "MLflow pyfunc",
        "Framework": card.training.framework,
        "Size": f"{card.megabytes:.2f} MB",
        "One prediction": f"{latency:.3g} ms" if latency == latency else "",
    }
    matrix = evaluation.confusion  # stands beside it
    return Section("Model", [pairs(values)], tables.width_of(matrix.classes) if matrix else "full")


def _call(card: Card) -> Section:
    request = json.dumps(card.request, allow_nan=False)
    file = len(request) > SHORT_REQUEST
    command = (
        f"curl http://127.0.0.1:8080/v1/models/{card.name}:predict \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {'@request.json' if file else shlex.quote(request)}"
    )
    link = [Block("link", "The request: a row of the test set", "request.json")] if file else []
    blocks = [
        "The address is that of make serve; another server takes the same request.",
        *link,
        Block("code", command),
        "It answers, for this row of the test set:",
        Block("code", json.dumps({"predictions": card.answer}, allow_nan=False)),
    ]
    return Section("How to call it", blocks)


def _columns(signature: Signature) -> Section:
    rows = [
        (tensor.name, tensor.dtype, _dimensions(tensor), "yes" if tensor.nullable else "no")
        for tensor in signature.inputs[:MOST_ROWS]
    ]
    blocks: list[Any] = [Table(("Column", "Type", "Shape", "May be missing"), rows)]
    if more := len(signature.inputs) - len(rows):
        blocks.append(f"And {more} more: signature.json in the model's folder has them all.")
    return Section("Input columns", blocks)


def _dimensions(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one value"
