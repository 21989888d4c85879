"""Training: arguments are checked, the record is kept, one seed gives one model."""

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from blueprint import model as models
from blueprint import pipelines, settings
from blueprint.data import write_splits
from blueprint.errors import UserError
from blueprint.export.export import export_model
from blueprint.export.record import RECORD, Training
from blueprint.export.train import train_and_export
from blueprint.model import Model, digest


def train(sample, parameters, path):
    return train_and_export(
        pipelines.module("train").train_model,
        sample["train"].directory,
        sample["validation"].directory,
        parameters,
        path,
    )


@pytest.fixture(scope="module")
def parameters():
    """Those of config/test.yaml: numbers come as floats, as KFP gives them."""
    given = settings.load("test").train
    return {key: float(value) if type(value) is int else value for key, value in given.items()}


@pytest.fixture(scope="module")
def exported(sample, parameters, tmp_path_factory):
    """The project's own model, trained for a test."""
    path = tmp_path_factory.mktemp("exported") / "model"
    return path, train(sample, parameters, path)


def test_the_export_predicts_and_the_record_is_kept(exported, sample):
    path, record = exported
    features, labels = sample["test"].arrays()
    model = Model(path)

    predictions = model.predict(features)

    assert predictions.shape == (len(labels), *model.signature.output.shape)
    assert model.signature.task == sample["test"].schema.task
    assert np.isfinite(predictions).all()
    if model.signature.classes:
        assert predictions.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert record.fallback_reason or (path / "model.onnx").exists()
    assert Training.read(path) == record
    assert record.data["hash"] == sample["train"].schema.content_hash
    assert all(np.isfinite(values).all() for values in record.curves.values())


def test_features_may_be_called_anything(exported, sample, tmp_path):
    """No name of theirs is one inside of the graph, which each library calls by its own."""
    if exported[1].fallback_reason:
        pytest.skip("this model is no graph")
    schema = sample["train"].schema
    features = schema.features
    words = ["output", "input/0", "encoded", "a b", "a.b", "probabilities", "prediction", "model/x"]
    names = dict(zip(features, [*words, *(f"{name}/ü" for name in features)], strict=False))
    renamed = write_splits(
        pl.concat(part.scan() for part in sample.values()).rename(names),
        {part: tmp_path / part for part in sample},
        {"validation": 0.15, "test": 0.2},
        label=schema.label,
        source="here",
        task=schema.task,
        nullable=[names[name] for name, feature in features.items() if feature.nullable],
    )
    pictures = any(feature.shape for feature in features.values())
    data = sample if pictures else renamed  # train.py may ask for a picture by its name

    train_model = pipelines.module("train").train_model
    model, _ = train_model(data["train"], data["validation"], **settings.load("test").train)

    assert export_model(model, renamed["validation"], tmp_path / "model") == ""


# Another process has another order of sets, and its libraries start again.
ELSEWHERE = """
import json, sys
from blueprint import pipelines
from blueprint.export.train import train_and_export
train_model = pipelines.module("train").train_model
train_and_export(train_model, *sys.argv[1:3], json.loads(sys.argv[4]), sys.argv[3])
"""


def test_one_seed_gives_one_model(exported, sample, parameters, tmp_path):
    path, record = exported
    if record.fallback_reason:
        pytest.skip("a pickle is not the same file twice")
    sets = [str(sample[name].directory) for name in ("train", "validation")]

    for order in ("1", "2"):
        given = dict(sorted(parameters.items(), reverse=order == "2"))  # as KFP may
        subprocess.run(
            [sys.executable, "-c", ELSEWHERE, *sets, str(tmp_path), json.dumps(given)],
            env=os.environ | {"PYTHONHASHSEED": order},
            check=True,
            capture_output=True,
        )
        # The same files, but for a SavedModel's, and so the same version in the registry.
        for file in (models.MODEL_FILE, models.SIGNATURE_FILE, RECORD, models.EXAMPLE_FILE):
            assert digest(tmp_path / file) == digest(path / file), file


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 1}, r"train_model in train.py: epoch: Unexpected keyword argument"),
        ({"epochs": "many"}, r"train_model in train.py: epochs: .*valid integer"),
    ],
)
def test_wrong_arguments_are_named(sample, tmp_path, given, message):
    def train_model(train, validation, *, epochs: int = 1):
        raise AssertionError

    sets = (sample[name].directory for name in ("train", "validation"))
    with pytest.raises(UserError, match=message):
        train_and_export(train_model, *sets, given, tmp_path)


def test_a_model_without_curves_is_named(sample, tmp_path):
    def train_model(train, validation):
        return train

    sets = (sample[name].directory for name in ("train", "validation"))
    with pytest.raises(UserError, match=r"returned a Dataset; expected the model and its learning"):
        train_and_export(train_model, *sets, {}, tmp_path)


def test_the_summary_says_where_the_curves_ended():
    record = Training({}, {"loss": [0.5, 0.25]}, {}, "3.12")
    assert record.lines() == ["2 epochs · loss 0.2500"]


def test_a_curve_that_went_to_infinity_is_kept_as_json(tmp_path):
    Training({"rate": 9.0}, {"loss": [0.5, np.inf, np.nan]}, {}, "3.12").write(tmp_path)

    assert json.loads((tmp_path / "training.json").read_text(), parse_constant=pytest.fail)
    np.testing.assert_equal(Training.read(tmp_path).curves, {"loss": [0.5, np.nan, np.nan]})


def test_the_terminal_names_the_fallback():
    record = Training({}, {"loss": [0.5]}, {}, "3.12", "Oracle has no ONNX form: because")
    assert any("fallback: Oracle has no ONNX form: because" in line for line in record.lines())


def test_a_record_from_before_0_5_is_read(tmp_path):
    old = Training({}, {}, {}, "3.12", "no exporter")
    old.write(tmp_path)
    path = tmp_path / RECORD
    path.write_text(path.read_text().replace("fallback_reason", "slow_road"))
    assert Training.read(tmp_path) == old
