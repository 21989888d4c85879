"""A regression of a table, from the exported file to the verdict, the page and the record."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

pytest.importorskip("blueprint.evaluation.regression")

from blueprint.data import Dataset, Feature, Schema
from blueprint.evaluation import evaluate as module
from blueprint.evaluation.evaluate import evaluate
from blueprint.evaluation.record import WIDTH, Evaluation
from blueprint.export.record import RECORD, Training
from blueprint.gate import Budgets, Comparison, Gate, Slices
from blueprint.model import MODEL_FILE, SIGNATURE_FILE, Signature, Tensor, digest
from blueprint.registry.client import Registry

RULES = Gate(floors={"r2": 0.3}, champion=Comparison(metric="rmse", margin=1.0))
FEATURES = {
    "age": Feature("float64", (), nullable=True),
    "city": Feature("string", (), nullable=True),
}
Evaluate = Callable[..., Evaluation]


@pytest.fixture(scope="module")
def test_rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """150 rows in two files: a tenth of the ages is missing, a third of the cities."""
    path = tmp_path_factory.mktemp("rows")
    random = np.random.default_rng(0)
    ages = random.integers(20, 80, 150).astype(float)
    ages[::10] = math.nan
    cities = ["Mainz", "Worms", ""] * 50
    labels = 2 * np.nan_to_num(ages, nan=50) + 30 * (np.array(cities) == "Mainz")
    table = pl.DataFrame({"age": ages, "city": cities, "label": labels + random.normal(size=150)})
    table[:100].write_parquet(path / "part-00000.parquet")
    table[100:].write_parquet(path / "part-00001.parquet")
    schema = Schema("tabular-regression", FEATURES, "label", (), 150, "c0ffee", "sample")
    schema.write(path / "schema.json")
    return Dataset(path)


def export(directory: Path, slope: float, *, nullable: bool = True) -> Path:
    """A model that says slope × age (50 where it is missing) + 30 in Mainz."""
    directory.mkdir()
    nodes = [
        helper.make_node("IsNaN", ["age"], ["missing"]),
        helper.make_node("Where", ["missing", "fifty", "age"], ["known"]),
        helper.make_node("Mul", ["known", "slope"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["scaled"], to=TensorProto.FLOAT),
        helper.make_node(
            "LabelEncoder",
            ["city"],
            ["place"],
            domain="ai.onnx.ml",
            keys_strings=["Mainz"],
            values_floats=[30.0],
            default_float=0.0,
        ),
        helper.make_node("Add", ["scaled", "place"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [
            helper.make_tensor_value_info("age", TensorProto.DOUBLE, ["n"]),
            helper.make_tensor_value_info("city", TensorProto.STRING, ["n"]),
        ],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])],
        [
            helper.make_tensor("fifty", TensorProto.DOUBLE, [], [50.0]),
            helper.make_tensor("slope", TensorProto.DOUBLE, [], [slope]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), directory / MODEL_FILE)
    Signature(
        task="tabular-regression",
        inputs=(Tensor("age", "float64", (), nullable), Tensor("city", "string", (), nullable)),
        output=Tensor("prediction", "float32", ()),
        classes=(),
        sha256=digest(directory / MODEL_FILE),
    ).write(directory / SIGNATURE_FILE)
    curves = {"loss": [3.0, 1.0], "val_loss": [4.0, 2.0]}
    record = Training({"seed": 1}, curves, {"source": "sample", "hash": "0ff1ce"}, "3.12")
    (directory / RECORD).write_text(json.dumps(asdict(record)))
    return directory


@pytest.fixture(scope="module")
def train_rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three rows of which none is a test row: what the models below were trained on."""
    path = tmp_path_factory.mktemp("training")
    rows = {"age": [18.0, 19.0, 81.0], "city": ["Mainz", "", "Worms"], "label": [30.0, 90.0, 210.0]}
    pl.DataFrame(rows).write_parquet(path / "part-00000.parquet")
    Schema("tabular-regression", FEATURES, "label", (), 3, "0ff1ce", "sample").write(
        path / "schema.json"
    )
    return Dataset(path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one database: making its tables takes seconds."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture
def registry(server: Path, request: pytest.FixtureRequest) -> Registry:
    """A registry with a name of the test's own, and so without a version."""
    return Registry(f"sqlite:///{server}/mlflow.db", request.node.name, str(server / "artifacts"))


@pytest.fixture
def run(tmp_path: Path, test_rows: Dataset, train_rows: Dataset, registry: Registry) -> Evaluate:
    """Evaluate the model in a directory: run(path), run(path, gate)."""

    def call(model: Path, gate: Gate = RULES, train: Dataset = train_rows) -> Evaluation:
        return evaluate(
            model,
            test_rows.directory,
            train.directory,
            gate=gate,
            registry=registry,
            tags={"pipeline.run": "a-run"},
            verdict_path=tmp_path / "verdict.json",
            report_path=tmp_path / "report.html",
        )

    return call


def make_champion(registry: Registry, run_id: str) -> None:
    version = registry.register(run_id, {})
    registry.promote(version.number, over=registry.champion(), tags={})


def test_a_regression_is_evaluated_recorded_and_shown(
    tmp_path: Path, run: Evaluate, registry: Registry
) -> None:
    first = run(export(tmp_path / "first", 2.1))

    assert first.accepted, first.reason
    assert first.metrics["mae"] == pytest.approx(5, abs=0.6)
    assert first.metrics["r2"] > 0.9
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["metrics"] == first.metrics
    page = (tmp_path / "report.html").read_text()
    assert all(words in page for words in ("Residuals", "Worst mistakes", "Mainz", "Loss"))
    listed = registry.client.list_artifacts(first.run_id)
    assert {file.path for file in listed} == {"model", "report.html", "verdict.json"}
    recorded = registry.client.get_run(first.run_id).data.metrics
    assert recorded["rmse"] == first.metrics["rmse"]
    assert recorded["gate/floor/r2/limit"] == 0.3
    assert recorded["gate/baseline/low"] > 0
    assert verdict["intervals"]["rmse"][0] < first.metrics["rmse"] < verdict["intervals"]["rmse"][1]
    assert verdict["baseline"]["r2"] < 0.1
    assert 0 < verdict["latency_ms"] < 100
    assert verdict["size_mb"] > 0
    assert first.confusion is first.roc is None
    assert "run_id" not in verdict, "which is not known when the verdict is written"
    again = Evaluation.read(tmp_path / "verdict.json")
    assert again == first.model_copy(update={"run_id": ""})

    make_champion(registry, first.run_id)
    better, worse = run(export(tmp_path / "better", 2.0)), run(export(tmp_path / "worse", 2.3))

    assert better.accepted
    assert not worse.accepted
    assert "rmse not worse than version 1's + 1" in worse.reason
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["champion"]["version"] == "1"
    assert verdict["champion"]["metrics"] == first.metrics
    [rule] = [rule for rule in verdict["rules"] if rule["name"] == "champion"]
    assert rule["numbers"]["low"] < rule["numbers"]["gain"] < rule["numbers"]["high"]
    assert "Gain over the champion" in (tmp_path / "report.html").read_text()
    assert all(len(line) <= WIDTH for line in worse.lines())
    assert worse.lines()[-1] == "rejected: 1 of 5 rules failed", "the rules are above"
    assert "– not compared: no champion yet" in first.lines()


def test_a_champion_that_takes_other_rows_closes_the_gate(
    tmp_path: Path, run: Evaluate, registry: Registry
) -> None:
    make_champion(registry, run(export(tmp_path / "first", 2.0, nullable=False)).run_id)

    verdict = run(export(tmp_path / "second", 2.0))

    assert not verdict.accepted
    assert "a new registry.name in config/ starts afresh" in verdict.reason


def test_metrics_of_another_task_are_named_with_those_there_are(
    tmp_path: Path, run: Evaluate
) -> None:
    gate = Gate(floors={"accuracy": 0.9}, champion=Comparison(metric="rmse"))

    verdict = run(export(tmp_path / "first", 2.0), gate)

    assert verdict.reason == (
        "accuracy ≥ 0.9: there is no such metric; gate in config/ can name rmse, mae, r2"
    )


def test_rows_are_read_by_their_numbers_across_files(test_rows: Dataset) -> None:
    everything, _ = test_rows.arrays()
    numbers = np.array([149, 3, 100, 99, 0])

    found = module._read_rows(test_rows, numbers)

    for name, values in everything.items():
        np.testing.assert_array_equal(found[name], values[numbers])


def test_a_model_of_other_data_and_rows_that_were_trained_on_reject(
    tmp_path: Path, run: Evaluate, test_rows: Dataset
) -> None:
    verdict = run(export(tmp_path / "first", 2.0), train=test_rows)

    assert not verdict.accepted
    assert "trained on data 0ff1ce, not on the training set c0ffee" in verdict.reason
    assert "no test row was trained on: 150 of 150" in verdict.reason


def test_an_empty_test_set_rejects(
    tmp_path: Path, test_rows: Dataset, train_rows: Dataset, registry: Registry
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    test_rows.scan().head(0).collect().write_parquet(empty / "part-00000.parquet")
    replace(test_rows.schema, rows=0).write(empty / "schema.json")

    verdict = evaluate(
        export(tmp_path / "first", 2.0),
        empty,
        train_rows.directory,
        gate=RULES.model_copy(update={"budgets": Budgets(latency_ms=1.0)}),
        registry=registry,
        tags={},
        verdict_path=tmp_path / "verdict.json",
        report_path=tmp_path / "report.html",
    )

    assert not verdict.accepted
    assert "the test set has rows: 0" in verdict.reason
    assert "r2 is missing or not a number" in verdict.reason
    assert "latency ≤ 1 ms: not measured" in verdict.reason


def test_slices_and_budgets_count_and_are_shown(tmp_path: Path, run: Evaluate) -> None:
    slices = Slices(columns=["city"], floors={"rmse": 3.0, "mae": 20.0})
    gate = RULES.model_copy(update={"slices": slices, "budgets": Budgets(size_mb=1e-6)})

    found = run(export(tmp_path / "first", 2.1), gate)

    assert "rmse ≤ 3 where city=Mainz (50 rows)" in found.reason
    assert "size ≤ 1e-06 MB" in found.reason
    assert "✓ 3 floors of slices" in found.lines()
    names = {each["name"] for each in json.loads((tmp_path / "verdict.json").read_text())["slices"]}
    assert names == {"city=missing", "city=Mainz", "city=Worms"}
    assert "city=Worms" in (tmp_path / "report.html").read_text()
