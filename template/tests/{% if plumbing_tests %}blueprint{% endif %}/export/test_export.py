"""What no exporter knows is kept as a fallback, and what cannot be served is rejected."""

import json
import pickle
import shutil
import subprocess
import sys
import types
from importlib import import_module

import numpy as np
import pytest

from blueprint import pipelines
from blueprint.data import Schema
from blueprint.export import ExportError, optional
from blueprint.export.export import export_model
from blueprint.model import Model, ModelError, digest

if optional("saved_model"):
    pytest.skip("TensorFlow Serving serves Keras models alone", allow_module_level=True)


class Oracle:
    """What somebody else wrote: a class with `predict` that no exporter knows."""

    def predict(self, features):
        sure = (features["visits"] > 4).astype(float)
        return np.stack([sure, 1 - sure], axis=1)


def test_a_model_without_onnx_falls_back_and_says_why(mixed, tmp_path):
    data = mixed("tabular-classification")

    reason = export_model(Oracle(), data["validation"], tmp_path)

    assert reason.startswith("Oracle has no ONNX form: ")
    exported = Model(tmp_path)
    assert exported.signature.format == "pyfunc"
    features, _ = data["test"].arrays()
    np.testing.assert_array_equal(exported.predict(features), Oracle().predict(features))


class Trees(Oracle):
    """Looks like a class of CatBoost."""


Trees.__module__ = "catboost.core"


def test_a_library_whose_exporter_is_not_in_the_project_says_how_to_get_it(mixed, tmp_path):
    if optional("catboost"):
        pytest.skip("this project exports CatBoost's models")
    data = mixed("tabular-classification")

    with pytest.raises(ExportError, match=r'a Trees, whose .*make upgrade ARGS="framework=xgb'):
        export_model(Trees(), data["validation"], tmp_path)


CODE = """
from .helpers import sure

class Guess:
    def predict(self, features):
        return sure(features["visits"])
"""
HELPERS = """
import numpy as np

def sure(visits):
    return np.stack([visits > 4, visits <= 4], axis=1).astype(float)
"""


@pytest.fixture
def guess(monkeypatch):
    """A model whose class is in two modules of the owner's package."""
    package = pipelines.package()
    import_module(package)
    for name, code in (("helpers", HELPERS), ("guess", CODE)):
        module = types.ModuleType(f"{package}.{name}")
        module.__package__ = package
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(code, vars(module))
    return sys.modules[f"{package}.guess"].Guess()


def test_a_fallback_carries_its_code(guess, mixed, tmp_path, monkeypatch):
    data = mixed("tabular-classification")
    export_model(guess, data["validation"], tmp_path, pipelines.package())
    features, _ = data["test"].arrays()
    expected = guess.predict(features)

    package = pipelines.package()  # its code is gone, or something else
    monkeypatch.delitem(sys.modules, f"{package}.helpers")
    monkeypatch.delattr(sys.modules[f"{package}.guess"], "Guess")

    np.testing.assert_array_equal(Model(tmp_path).predict(features), expected)
    script = """
import sys
from mlflow import pyfunc
pyfunc.load_model(sys.argv[1])
sys.exit(any(name.startswith(tuple(sys.argv[2:])) for name in sys.modules))
"""
    command = [sys.executable, "-c", script, tmp_path / "pyfunc", package, "blueprint"]
    subprocess.run(command, check=True, cwd=tmp_path)


# What 0.4.0 pickled: its project's classes by their names, which have moved since.
OLD = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Native:
    model: object
    schema: object
    leaf: str
"""


def test_a_fallback_of_0_4_0_loads_or_says_what_to_do(mixed, tmp_path, monkeypatch):
    data = mixed("tabular-classification")["validation"]
    export_model(Oracle(), data, tmp_path)
    shutil.rmtree(tmp_path / "pyfunc")
    (tmp_path / "pyfunc" / "data").mkdir(parents=True)
    package = pipelines.package()
    old, now = f"{package}.steps.guess", f"{package}.guess"
    with monkeypatch.context() as patch:
        for name in (f"{package}.export.family", f"{package}.data.dataset", old):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        exec(OLD, vars(sys.modules[f"{package}.export.family"]))
        for kind, name in ((Schema, f"{package}.data.dataset"), (Oracle, old)):
            patch.setattr(kind, "__module__", name)
            setattr(sys.modules[name], kind.__name__, kind)
        native = sys.modules[f"{package}.export.family"].Native(Oracle(), data.schema, "")
        (tmp_path / "pyfunc" / "data" / "native.pkl").write_bytes(pickle.dumps(native))
    path = tmp_path / "signature.json"
    sha256 = digest(tmp_path / "pyfunc")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": sha256}))

    with pytest.raises(ModelError, match=r"guess.*before 0.4.1 .* `make run` once, or give regis"):
        Model(tmp_path)

    monkeypatch.setitem(sys.modules, now, types.ModuleType(now))
    sys.modules[now].Oracle = Oracle
    features, _ = data.arrays()
    np.testing.assert_array_equal(Model(tmp_path).predict(features), Oracle().predict(features))


def test_what_cannot_predict_is_rejected(mixed, tmp_path):
    with pytest.raises(ExportError, match="returned a dict, which has no `predict`"):
        export_model({}, mixed("tabular-classification")["validation"], tmp_path)


def test_what_cannot_be_pickled_is_rejected(mixed, tmp_path):
    oracle = Oracle()
    oracle.rows = (row for row in ())  # a generator

    with pytest.raises(ExportError, match="Oracle has no ONNX form and no pickle"):
        export_model(oracle, mixed("tabular-classification")["validation"], tmp_path)


class Numbers(Oracle):
    def predict(self, features):
        return features["visits"]


def test_numbers_where_probabilities_are_wanted_are_rejected(mixed, tmp_path):
    with pytest.raises(ExportError, match=r"gives \[\] numbers a row; expected one probability"):
        export_model(Numbers(), mixed("tabular-classification")["validation"], tmp_path)


class Dice(Oracle):
    def predict(self, features):
        return np.random.default_rng().random((len(features["visits"]), 2))


class Nothing(Oracle):
    def predict(self, features):
        return np.full((len(features["visits"]), 2), np.nan)


class Broken(Oracle):
    def predict(self, features):
        return features["no such column"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Dice(), r"no exporter .*as a pickle, too: it predicts something else on \d\d of \d\d val"),
        (Nothing(), "Nothing predicts numbers that are not finite"),
        (Broken(), "Broken cannot predict validation rows: KeyError: 'no such column'"),
    ],
)
def test_predictions_that_cannot_be_served_are_rejected(model, message, mixed, tmp_path):
    with pytest.raises(ExportError, match=message):
        export_model(model, mixed("tabular-classification")["validation"], tmp_path)
