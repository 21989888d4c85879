"""Each component called as a function, with real artifacts, a real registry and a real store."""

import json
import shutil
from pathlib import Path

import pytest
from kfp import dsl

from blueprint import pipelines
from blueprint.data import Dataset
from blueprint.data.sources import scan
from blueprint.errors import UserError
from blueprint.model import Model, digest
from blueprint.registry import store
from blueprint.registry.client import Registry
from blueprint.targets.graph import parameters

components = pipelines.module("components")


@pytest.fixture
def made(load, artifact):
    """What load_data and train_model make, with the values they were called with."""
    values = parameters(load())
    names = ("train_data", "validation_data", "test_data")
    made = {name: artifact(dsl.Dataset, name) for name in names}
    components.load_data.python_func(
        data=values["data"], registry=values["registry"], snapshot="", **made
    )
    made["model"] = artifact(dsl.Model, "model")
    components.train_model.python_func(
        train_data=made["train_data"],
        validation_data=made["validation_data"],
        train=values["train"],
        model=made["model"],
    )
    return values, made


def evaluate(values, made, artifact, **gate):
    outputs = {
        "verdict": artifact(dsl.Artifact, "verdict"),
        "metrics": artifact(dsl.Metrics, "metrics"),
        "classes": artifact(dsl.ClassificationMetrics, "classes"),
        "report": artifact(dsl.HTML, "report"),
    }
    accepted = components.evaluate_model.python_func(
        model=made["model"],
        test_data=made["test_data"],
        train_data=made["train_data"],
        gate=values["gate"] | gate,
        registry=values["registry"],
        run="a-run",
        revision="abc123",
        **outputs,
    )
    return accepted, outputs


def register(values, made, outputs):
    return components.register_model.python_func(
        model=made["model"],
        test_data=made["test_data"],
        verdict=outputs["verdict"],
        registry=values["registry"],
        lock="10c4",
    )


def deploy(values, made, version):
    components.deploy_model.python_func(
        model=made["model"], version=version, registry=values["registry"], store=values["store"]
    )


def test_the_steps_hand_on_what_the_next_one_needs(made, artifact, capsys):
    values, made = made
    assert Dataset(made["test_data"].path).schema.rows == made["test_data"].metadata["rows"]
    assert Model(made["model"].path).signature.task == values["data"]["task"]

    accepted, outputs = evaluate(values, made, artifact)
    assert accepted is True
    verdict = json.loads(Path(outputs["verdict"].path).read_text())
    assert verdict["accepted"] is True
    assert verdict["champion"] is None
    assert verdict["facts"]["git.commit"] == "abc123"
    assert verdict["metrics"].items() <= outputs["metrics"].metadata.items()
    assert outputs["metrics"].metadata["gate/rows/value"] == made["test_data"].metadata["rows"]
    pictures = set(outputs["classes"].metadata)
    classes = len(Model(made["model"].path).signature.classes)
    assert ("confusionMatrix" in pictures) is (classes > 0)
    assert ("confidenceMetrics" in pictures) is (classes == 2)
    assert "<html" in Path(outputs["report"].path).read_text()

    version = register(values, made, outputs)
    registry = Registry(**values["registry"])
    champion = registry.champion()
    assert version == champion.number == "1"
    assert verdict["metrics"].items() <= champion.metrics.items()
    assert champion.tags["data.test_hash"] == made["test_data"].metadata["content_hash"]
    recorded = {file.path for file in registry.client.list_artifacts(champion.run_id)}
    cards = {"card.html", "card.md", "request.json", "sbom.cdx.json"}
    assert recorded == {"model", "report.html", "verdict.json"} | cards

    deploy(values, made, version)
    deployed = store.current(values["store"], registry.name)
    assert deployed.version == version
    assert deployed.sha256 == digest(Path(made["model"].path))
    assert deployed.sha256 == champion.tags["model.files_sha256"]

    # What is not the model that was registered under this number stays out.
    other = artifact(dsl.Model, "other")
    shutil.copytree(made["model"].path, other.path)
    (Path(other.path) / "signature.json").write_text("{}")
    with pytest.raises(UserError, match="the files of version 1 are not those that were reg"):
        deploy(values, made | {"model": other}, version)
    assert store.current(values["store"], registry.name) == deployed

    # Without a store, the champion's alias is the deployment.
    capsys.readouterr()
    deploy(values | {"store": ""}, made, version)
    assert "version 1 is the champion in the registry" in capsys.readouterr().out

    # The same model again: it is compared with itself, passes, and stays one version.
    accepted, outputs = evaluate(values, made, artifact)
    assert accepted is True
    assert register(values, made, outputs) == "1"

    # A champion that cannot be read closes the gate.
    stored = Path(
        registry.client.get_run(champion.run_id).info.artifact_uri.removeprefix("file://")
    )
    (stored / "model" / "model.onnx").write_bytes(b"truncated")
    accepted, outputs = evaluate(values, made, artifact)
    assert accepted is False
    reason = json.loads(Path(outputs["verdict"].path).read_text())["reason"]
    assert "the champion cannot be measured" in reason


def test_a_floor_that_is_not_reached_rejects(made, artifact, capsys):
    values, made = made

    [metric] = values["gate"]["floors"]

    accepted, outputs = evaluate(values, made, artifact, floors={metric: 1.01})

    assert accepted is False
    verdict = json.loads(Path(outputs["verdict"].path).read_text())
    assert f"{metric} ≥ 1.01" in verdict["reason"]
    assert Registry(**values["registry"]).champion() is None
    assert f"[evaluate_model] says: ✗ {metric} ≥ 1.01" in capsys.readouterr().out

    assert register(values, made, outputs) == "none"
    registry = Registry(**values["registry"])
    assert registry.champion() is None
    assert [version.accepted for version in registry.versions()] == [False]


def test_what_is_no_longer_the_champion_is_not_deployed(made, artifact, capsys):
    values, made = made
    _, outputs = evaluate(values, made, artifact)
    assert register(values, made, outputs) == "1"

    deploy(values, made, "7")

    assert "version 1 is the champion by now: version 7 stays out" in capsys.readouterr().out
    assert not Path(values["store"]).exists()


def test_a_step_that_fails_says_so_in_one_line(artifact, load, capsys):
    values = parameters(load())
    names = ("train_data", "validation_data", "test_data")

    with pytest.raises(UserError):
        components.load_data.python_func(
            data=values["data"] | {"label": "nothing"},
            registry=values["registry"],
            snapshot="",
            **{name: artifact(dsl.Dataset, name) for name in names},
        )

    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("[load_data] failed: source sample: no column 'nothing'")


def test_rows_from_files_come_through(load, artifact, folder):
    rows = scan("sample", task=load().data.task).collect()
    rows.write_parquet(folder / "rows.parquet")
    values = parameters(load("data.source=files", "data.files.path=rows.parquet"))
    names = ("train_data", "validation_data", "test_data")
    made = {name: artifact(dsl.Dataset, name) for name in names}

    components.load_data.python_func(
        data=values["data"], registry=values["registry"], snapshot="", **made
    )

    assert sum(made[name].metadata["rows"] for name in names) == len(rows)
    assert made["train_data"].metadata["source"] == "files rows.parquet"


def test_a_registry_that_a_pod_cannot_reach_is_found_before_any_row_is_read(load, artifact):
    values = parameters(load("data.source=files", "data.files.path=nowhere.csv"))
    registry = values["registry"] | {"tracking_uri": "http://127.0.0.1:9"}

    with pytest.raises(UserError, match="does not answer: is it up"):
        components.load_data.python_func(
            data=values["data"],
            registry=registry,
            snapshot="",
            **{name: artifact(dsl.Dataset, name) for name in ("train_data", "test_data")},
            validation_data=artifact(dsl.Dataset, "validation_data"),
        )
