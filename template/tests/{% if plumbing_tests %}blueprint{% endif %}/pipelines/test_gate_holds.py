"""Attempts to get a bad model through the real steps: the one in service stays there."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import polars as pl
import pytest
from kfp import dsl
from onnx import TensorProto, helper

from blueprint import pipelines, settings
from blueprint.export.record import RECORD
from blueprint.model import DTYPES, MODEL_FILE, SIGNATURE_FILE, ModelError, Signature, digest
from blueprint.registry import store
from blueprint.registry.client import Registry
from blueprint.targets.graph import parameters

components = pipelines.module("components")
SETS = ("train_data", "validation_data", "test_data")


class Service(NamedTuple):
    """A model in service that went through the gate, and what it came from."""

    root: Path
    values: dict[str, Any]
    data: dict[str, dsl.Dataset]
    model: dsl.Model

    def artifact(self, kind: type[dsl.Artifact], name: str) -> Any:
        return kind(name=name, uri=str(self.root / name))

    def train(self, name: str, **data: dsl.Dataset) -> dsl.Model:
        model = self.artifact(dsl.Model, name)
        components.train_model.python_func(train=self.values["train"], model=model, **data)
        return model

    def run(self, model: dsl.Model, *, train_data: dsl.Dataset | None = None, **gate: Any) -> str:
        """The steps after training, as the pipeline calls them; returns the verdict's reason."""
        verdict = self.artifact(dsl.Artifact, "verdict.json")
        components.evaluate_model.python_func(
            model=model,
            test_data=self.data["test_data"],
            train_data=train_data or self.data["train_data"],
            gate=self.values["gate"] | gate,
            registry=self.values["registry"],
            run="a-run",
            revision="abc123",
            verdict=verdict,
            metrics=self.artifact(dsl.Metrics, "metrics"),
            classes=self.artifact(dsl.ClassificationMetrics, "classes"),
            report=self.artifact(dsl.HTML, "report.html"),
        )
        registry = self.values["registry"]
        version = components.register_model.python_func(
            model=model,
            test_data=self.data["test_data"],
            verdict=verdict,
            registry=registry,
            lock="10c4",
        )
        if version != "none":
            components.deploy_model.python_func(
                model=model, version=version, registry=registry, store=self.values["store"]
            )
        return json.loads(Path(verdict.path).read_text())["reason"]

    def served(self) -> tuple[str, str, str]:
        """The version in service, the digest of its file, and the registry's champion."""
        registry = Registry(**self.values["registry"])
        deployed = store.current(self.values["store"], registry.name)
        return deployed.version, digest(deployed.folder / MODEL_FILE), registry.champion().number


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    root = tmp_path_factory.mktemp("service")
    places = {
        "registry.tracking_uri": f"sqlite:///{root}/mlflow.db",
        "registry.artifact_location": f"{root}/artifacts",
        "serving.store": f"{root}/store",
        "gate.baseline": "true",
    }
    overrides = [f"{key}={value}" for key, value in places.items()]
    values = parameters(settings.load("test", overrides))
    values["data"] = {"task": values["data"]["task"], "source": "sample"}  # not its owner's
    data = {name: dsl.Dataset(name=name, uri=str(root / name)) for name in SETS}
    components.load_data.python_func(
        data=values["data"], registry=values["registry"], snapshot="", **data
    )
    first = Service(root, values, data, dsl.Model(name="model", uri=str(root / "model")))
    first.train("model", train_data=data["train_data"], validation_data=data["validation_data"])
    first.run(first.model, baseline=False)
    assert first.served()[0] == "1"
    return first


@pytest.fixture(autouse=True)
def the_service_stays(service: Service):
    before = service.served()
    yield
    assert service.served() == before


def shuffled(service: Service, name: str) -> dsl.Dataset:
    """The same rows with the labels of others."""
    source, target = Path(service.data[name].path), service.root / f"shuffled-{name}"
    target.mkdir()
    rows = pl.concat([pl.read_parquet(file) for file in sorted(source.glob("*.parquet"))])
    rows = rows.with_columns(pl.col("label").shuffle(seed=1))
    rows.write_parquet(target / "part-00000.parquet")
    schema = json.loads((source / "schema.json").read_text())
    schema["content_hash"] = f"shuffled {schema['content_hash']}"
    (target / "schema.json").write_text(json.dumps(schema))
    return dsl.Dataset(name=name, uri=str(target))


def copied(service: Service, name: str) -> Path:
    return Path(shutil.copytree(service.model.path, service.root / name))


def test_shuffled_labels(service):
    data = {name: shuffled(service, name) for name in SETS[:2]}
    model = service.train("of-nonsense", **data)

    reason = service.run(model, train_data=data["train_data"])

    # Chance can lift it above a constant answer, and a short training leaves the champion near one.
    assert "better than a constant answer's" in reason or "not worse than version 1's" in reason


def test_a_constant_model(service):
    path = copied(service, "constant")
    signature = Signature.read(path / SIGNATURE_FILE)
    onnx.save(constant(signature), path / MODEL_FILE)
    fields = json.loads((path / SIGNATURE_FILE).read_text())
    fields["sha256"] = digest(path / MODEL_FILE)
    (path / SIGNATURE_FILE).write_text(json.dumps(fields))

    reason = service.run(dsl.Model(name="constant", uri=str(path)))

    assert "better than a constant answer's" in reason


def constant(signature: Signature) -> onnx.ModelProto:
    """A graph that takes what the signature says and gives every row the same: its first class."""
    types = {"string": TensorProto.STRING} | {
        name: helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in set(DTYPES) - {"string"}
    }
    inputs = [
        helper.make_tensor_value_info(tensor.name, types[tensor.dtype], ["n", *tensor.shape])
        for tensor in signature.inputs
    ]
    output, sizes = signature.output, signature.output.shape
    answer = [1.0] + [0.0] * (max(len(signature.classes), 1) - 1)
    nodes = [
        helper.make_node("Shape", [signature.inputs[0].name], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "width"], ["size"], axis=0),
        helper.make_node("Expand", ["answer", "size"], [output.name]),
    ]
    graph = helper.make_graph(
        nodes,
        "constant",
        inputs,
        [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["n", *sizes])],
        [
            helper.make_tensor("answer", TensorProto.FLOAT, [1, *sizes], answer),
            helper.make_tensor("width", TensorProto.INT64, [len(sizes)], sizes),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_model_that_was_trained_on_the_test_set(service):
    test = service.data["test_data"]
    model = service.train(
        "leaked", train_data=test, validation_data=service.data["validation_data"]
    )

    assert "the model was trained on data" in service.run(model)
    rows = test.metadata["rows"]
    reason = service.run(model, train_data=test)
    assert f"no test row was trained on: {rows} of {rows}" in reason


def test_a_model_file_that_is_cut_off(service):
    path = copied(service, "truncated")
    content = (path / MODEL_FILE).read_bytes()
    (path / MODEL_FILE).write_bytes(content[: len(content) // 2])

    with pytest.raises(ModelError, match="is damaged"):
        service.run(dsl.Model(name="truncated", uri=str(path)))


def test_a_model_that_is_too_slow(service):
    path = copied(service, "slow")
    measured = json.loads((service.root / "verdict.json").read_text())["latency_ms"]

    reason = service.run(
        dsl.Model(name="slow", uri=str(path)), budgets={"latency_ms": measured / 1000}
    )

    assert "latency ≤ " in reason


def test_a_record_that_says_nothing_of_the_data(service):
    path = copied(service, "unknown")
    record = json.loads((path / RECORD).read_text())
    record["data"]["hash"] = ""
    (path / RECORD).write_text(json.dumps(record))

    assert "the model was trained on data" in service.run(dsl.Model(name="x", uri=str(path)))
