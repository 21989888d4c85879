"""A real registry in SQLite, and evaluated models that take no training."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from blueprint.data import Feature, Schema
from blueprint.export.record import RECORD, Training
from blueprint.model import MODEL_FILE, SIGNATURE_FILE, Signature, Tensor, digest
from blueprint.registry.client import Registry
from blueprint.registry.registration import Registered, register

FEATURES = {"age": Feature("float64", (), nullable=True), "town": Feature("string", ())}
LOCK = "f00d" * 16


@dataclass
class Evaluated:
    """A model as evaluate_model leaves it: exported, measured, and recorded in an MLflow run."""

    model: Path
    test: Path
    verdict: dict[str, Any]
    run_id: str

    def register(self, registry: Registry) -> Registered:
        return register(
            self.model,
            self.test,
            verdict=self.verdict,
            run_id=self.run_id,
            lock=LOCK,
            registry=registry,
        )


Evaluate = Callable[..., Evaluated]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one database: making its tables takes seconds."""
    return tmp_path_factory.mktemp("a server")


@pytest.fixture
def registry(server: Path, request: pytest.FixtureRequest) -> Registry:
    """A registry with a name of the test's own, and so without a version."""
    name = request.node.name.replace("[", "-").replace("]", "")
    return Registry(f"sqlite:///{server}/mlflow.db", name, str(server / "artifacts"))


@pytest.fixture
def evaluate(registry: Registry, tmp_path: Path) -> Evaluate:
    """Make a model and evaluate it: evaluate(2.0, accepted=False) says 2 × age, and is rejected.

    It is evaluated against the champion of that moment. `more` is added to the verdict.
    """
    test = tmp_path / "test rows"
    test.mkdir()
    rows = pl.DataFrame({"age": [41.5, None], "town": ["it's Ulm", ""], "label": [83.0, 0.0]})
    rows.write_parquet(test / "part-00000.parquet")
    Schema("tabular-regression", FEATURES, "label", (), 2, "7e57", "sample").write(
        test / "schema.json"
    )

    def make(slope: float, *, accepted: bool = True, **more: Any) -> Evaluated:
        model = export(tmp_path / f"model {slope}", slope)
        champion = registry.champion()
        rule = {"rule": "rmse ≤ 1 | 2", "passed": accepted, "detail": "0.5000"}
        verdict = {
            "accepted": accepted,
            "reason": "every rule passed" if accepted else "rmse ≤ 1 | 2: 0.5000",
            "rules": [rule],
            "metrics": {"rmse": 0.5 * slope},
            "champion": champion and {"version": champion.number, "metrics": champion.metrics},
            "facts": {
                "data.source": "sample",
                "data.test_rows": "2",
                "data.test_hash": "7e57",
                "data.train_hash": "beef",
                "git.commit": "abc1234-dirty",
                "pipeline.run": f"run-{slope}",
                "model.sha256": digest(model / MODEL_FILE),
            },
            **more,
        }
        return Evaluated(model, test, verdict, log(registry, model, verdict, tmp_path))

    return make


def log(registry: Registry, model: Path, verdict: Mapping[str, Any], folder: Path) -> str:
    """Record the evaluated model as evaluate_model does; return the run's id."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    (files / "report.html").write_text("<html><span>candidate</span></html>")
    return registry.log_run(
        "run",
        params={"seed": 1},
        metrics=verdict["metrics"],
        curves={},
        tags=verdict["facts"],
        artifacts={"": files, "model": model},
    )


def export(directory: Path, slope: float) -> Path:
    """A model that says slope × age."""
    directory.mkdir(exist_ok=True)
    nodes = [
        helper.make_node("Mul", ["age", "slope"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["prediction"], to=TensorProto.FLOAT),
    ]
    inputs = [
        helper.make_tensor_value_info("age", TensorProto.DOUBLE, ["n"]),
        helper.make_tensor_value_info("town", TensorProto.STRING, ["n"]),
    ]
    outputs = [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])]
    constants = [helper.make_tensor("slope", TensorProto.DOUBLE, [], [slope])]
    graph = helper.make_graph(nodes, "model", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), directory / MODEL_FILE)
    Signature(
        task="tabular-regression",
        inputs=(Tensor("age", "float64", (), True), Tensor("town", "string", ())),
        output=Tensor("prediction", "float32", ()),
        classes=(),
        sha256=digest(directory / MODEL_FILE),
    ).write(directory / SIGNATURE_FILE)
    saved = directory / "saved_model" / "1"  # which TensorFlow Serving needs, and no other server
    saved.mkdir(parents=True, exist_ok=True)
    (saved / "saved_model.pb").touch()
    data = {"source": "sample", "hash": "beef", "rows": "1000"}
    record = Training({"seed": 1.0}, {"loss": [3.0, 1.0]}, data, "3.12")
    (directory / RECORD).write_text(json.dumps(asdict(record)))
    return directory
