"""The export: texts and gaps go in raw, the fallback works, and an export that lies is caught.

The models here are scikit-learn's; tests/test_training.py exports the project's own.
"""

import json
import pickle
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import polars as pl
import pytest
from mlflow import pyfunc
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from blueprint.data import as_table, write_splits
from blueprint.export import ExportError, export_model
from blueprint.export.family import Native
from blueprint.model import Model, ModelError, digest

ROWS = 600


def mixed_rows(task):
    """A number, one with gaps, a text with gaps and a space in its name, and a label of them."""
    random = np.random.default_rng(1)
    ages = np.where(random.random(ROWS) < 0.1, np.nan, random.normal(40, 10, ROWS))
    cities = random.choice(["Mainz", "Köln", "Trier", ""], ROWS)
    visits = random.integers(0, 9, ROWS)
    score = np.nan_to_num(ages, nan=40) + 10 * (cities == "Mainz") + visits
    label = score if task.endswith("regression") else np.where(score > 47, "high", "low")
    columns = {"age": ages, "city of birth": cities, "visits": visits, "label": label}
    return pl.LazyFrame(columns).with_columns(pl.col("city of birth").replace("", None))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """mixed(task): the three data sets of `mixed_rows`."""

    def make(task):
        root = tmp_path_factory.mktemp("mixed")
        return split(mixed_rows(task), root, task, nullable={"age", "city of birth"})

    return make


def split(rows, root, task, label="label", nullable=()):
    directories = {name: root / name for name in ("train", "validation", "test")}
    shares = {"validation": 0.15, "test": 0.2}
    options = {"label": label, "source": "here", "task": task, "nullable": set(nullable)}
    return write_splits(rows, directories, shares, **options)


def trees(estimator, data):
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = make_column_transformer((texts, data.schema.texts), remainder="passthrough")
    table, labels = data.table()
    rows = encoder.fit_transform(table)
    return make_pipeline(encoder, estimator.fit(rows, labels))


@pytest.mark.parametrize("task", ["tabular-classification", "tabular-regression"])
def test_raw_rows_go_in_and_the_test_set_agrees(task, mixed, tmp_path):
    data = mixed(task)
    regression = task == "tabular-regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    native = trees(kind(max_iter=20, random_state=1), data["train"])

    assert export_model(native, data["validation"], tmp_path) == ""

    exported = Model(tmp_path)
    table, _ = data["test"].table()
    features, _ = data["test"].arrays()
    expected = native.predict(table) if regression else native.predict_proba(table)
    np.testing.assert_allclose(exported.predict(features), expected, rtol=1e-4, atol=1e-4)
    tensors = [(t.name, t.dtype, t.shape, t.nullable) for t in exported.signature.inputs]
    assert tensors == [
        ("age", "float64", (), True),
        ("city of birth", "string", (), True),
        ("visits", "int64", (), False),
    ]
    # What was never seen, and nothing at all.
    row = {
        "age": np.array([np.nan]),
        "city of birth": np.array(["Atlantis"], object),
        "visits": np.array([3]),
    }
    assert np.isfinite(exported.predict(row)).all()
    assert exported.signature.classes == (() if regression else ("high", "low"))


def test_an_estimator_of_plain_numbers_takes_the_columns_side_by_side(mixed, tmp_path):
    data = mixed("tabular-regression")
    visits = write_numbers(data, tmp_path / "data")
    features, labels = visits.arrays()
    native = LinearRegression().fit(np.stack([*features.values()], axis=1), labels)

    export_model(native, visits, tmp_path / "model")

    assert [t.name for t in Model(tmp_path / "model").signature.inputs] == ["visits", "squared"]


def write_numbers(data, root):
    rows = data["train"].scan().select("visits", "label", squared=pl.col("visits") ** 2)
    return split(rows, root, "tabular-regression")["train"]


# What the graphs call things, and what skl2onnx makes one of.
# fmt: off
NAMES = [
    "output", "input", "input/0", "prediction", "probabilities", "probabilities_", "variable",
    "label", "matrix", "encoded", "x", "x/float", "x/shape", "float/0", "column/0", "model/x",
    "model/matrix", "model/graph/x", "_model/x", "model/float", "a.b", "a:b", "a_b", "ünï", "0",
    "shape_tensor", "scaled_input",
]
# fmt: on


@pytest.mark.parametrize("side_by_side", [True, False])
@pytest.mark.parametrize("task", ["tabular-classification", "tabular-regression"])
def test_columns_may_be_called_anything(task, side_by_side, tmp_path):
    values = np.random.default_rng(1).normal(size=(len(NAMES) + 1, 200))
    rows = pl.LazyFrame(dict(zip([*NAMES, "a b"], values, strict=True)))
    score = pl.sum_horizontal(pl.all()) + 3 * pl.col("a b")
    label = score if task.endswith("regression") else score > 0
    data = split(rows.with_columns(the_label=label), tmp_path, task, "the_label")["train"]
    model = LinearRegression() if task.endswith("regression") else LogisticRegression()
    if not side_by_side:
        encoder = (StandardScaler(), list(data.schema.features))
        model = make_pipeline(make_column_transformer(encoder), model)
    rows, labels = data.table()

    model.fit(rows.to_numpy() if side_by_side else rows, labels)

    assert export_model(model, data, tmp_path / "model") == ""
    assert Model(tmp_path / "model").signature.output.name not in rows.columns


WORDS = ["a cat and a dog", "the DOG", "Größe über alles", "", "Straße x", "don't 3.14"]
UNSEEN = ["ÜBER", " ", "x", "日本語 テキスト", "a#b ##", "cat\tdog", "e\u0301cole", "größe_2"]


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (TfidfVectorizer(), ""),
        (CountVectorizer(binary=True, lowercase=False), ""),
        (make_pipeline(OneHotEncoder(handle_unknown="infrequent_if_exist")), ""),
        (OneHotEncoder(min_frequency=100, handle_unknown="infrequent_if_exist"), "form: Not"),
        (TfidfVectorizer(token_pattern=r"(?u)\b\w+\b"), "form that works: cannot be loaded"),
        (
            CountVectorizer(stop_words="english", ngram_range=(1, 2)),
            r"form that works: it predicts something else on \d+ of \d+ validation rows, by up",
        ),
    ],
)
def test_texts_are_encoded_as_they_were_or_a_fallback_says_why(encoder, said, tmp_path):
    random = np.random.default_rng(1)
    texts = random.choice(WORDS, ROWS)
    label = np.where((texts == WORDS[0]) ^ (random.random(ROWS) < 0.1), "yes", "no")
    rows = pl.LazyFrame({"text": texts, "age": random.random(ROWS), "label": label})
    data = split(rows, tmp_path, "tabular-classification")
    table, labels = data["train"].table()
    column = "text" if isinstance(encoder, CountVectorizer) else ["text"]
    columns = make_column_transformer((encoder, column), remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression(C=10)).fit(table, labels)

    reason = export_model(model, data["validation"], tmp_path / "model")

    assert re.search(said, reason) if said else not reason, reason
    exported = Model(tmp_path / "model")
    for texts in ([text] for text in (*WORDS, *UNSEEN)):  # each alone: no longer text beside it
        given = {"text": np.array(texts, object), "age": np.zeros(1)}
        expected = model.predict_proba(as_table(given))
        np.testing.assert_allclose(exported.predict(given), expected, atol=1e-4)


def test_an_estimator_of_numbers_cannot_take_texts(mixed, tmp_path):
    data = mixed("tabular-classification")["train"]
    native = LogisticRegression().fit([[0.0, 1, 2], [1, 1, 1]], [0, 1])

    with pytest.raises(ExportError, match="takes numbers, and city of birth is text"):
        export_model(native, data, tmp_path)


def test_classes_in_another_order_are_refused(mixed, tmp_path):
    data = mixed("tabular-classification")
    native = trees(HistGradientBoostingClassifier(max_iter=5), data["train"])
    native[-1].classes_ = np.array(["low", "high"])

    with pytest.raises(ExportError, match="has the classes low, high in this order, the data has"):
        export_model(native, data["validation"], tmp_path)


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


def test_a_converter_that_is_missing_is_named(mixed, tmp_path, monkeypatch):
    data = mixed("tabular-classification")
    native = trees(HistGradientBoostingClassifier(max_iter=5), data["train"])
    native.steps[-1][1].__class__ = type(
        "LGBMClassifier", (HistGradientBoostingClassifier,), {"__module__": "lightgbm.sklearn"}
    )
    monkeypatch.setitem(sys.modules, "onnxmltools", None)

    reason = export_model(native, data["validation"], tmp_path)

    assert "uv add --group training onnxmltools" in reason


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
    """A model whose class is in two modules of steps/."""
    package = "blueprint.steps"
    for name, code in (("helpers", HELPERS), ("guess", CODE)):
        module = types.ModuleType(f"{package}.{name}")
        module.__package__ = package
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(code, vars(module))
    return sys.modules[f"{package}.guess"].Guess()


def forget(monkeypatch):
    """The code is gone, or something else."""
    monkeypatch.delitem(sys.modules, "blueprint.steps.helpers")
    module = sys.modules["blueprint.steps.guess"]
    monkeypatch.delattr(module, "Guess")


def test_a_fallback_carries_its_code(guess, mixed, tmp_path, monkeypatch):
    data = mixed("tabular-classification")
    export_model(guess, data["validation"], tmp_path)
    features, _ = data["test"].arrays()
    expected = guess.predict(features)

    forget(monkeypatch)

    np.testing.assert_array_equal(Model(tmp_path).predict(features), expected)
    ask = "import sys; from mlflow import pyfunc; pyfunc.load_model(sys.argv[1]); "
    ask += "sys.exit(any(sys.argv[2] in name for name in sys.modules))"
    path, name = str(tmp_path / "pyfunc"), "blueprint"
    subprocess.run([sys.executable, "-c", ask, path, name], check=True, cwd=tmp_path)


def test_a_fallback_of_0_4_0_loads_and_else_says_what_to_do(guess, mixed, tmp_path, monkeypatch):
    data = mixed("tabular-classification")["validation"]
    export_model(guess, data, tmp_path)
    shutil.rmtree(tmp_path / "pyfunc")
    (tmp_path / "native.pkl").write_bytes(pickle.dumps(Native(guess, data.schema, "")))
    pyfunc.save_model(
        str(tmp_path / "pyfunc"),
        loader_module="blueprint.export.pyfunc",
        data_path=str(tmp_path / "native.pkl"),
        pip_requirements=[],
    )
    path = tmp_path / "signature.json"
    sha256 = digest(tmp_path / "pyfunc")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": sha256}))
    features, _ = data.arrays()
    np.testing.assert_array_equal(Model(tmp_path).predict(features), guess.predict(features))

    forget(monkeypatch)

    with pytest.raises(ModelError, match=r"Guess.*before 0.4.1 .* `make run` once, or give regis"):
        Model(tmp_path)


def test_what_cannot_predict_is_refused(mixed, tmp_path):
    with pytest.raises(ExportError, match="returned a dict, which has no `predict`"):
        export_model({}, mixed("tabular-classification")["validation"], tmp_path)


def test_what_cannot_be_pickled_is_refused(mixed, tmp_path):
    oracle = Oracle()
    oracle.rows = (row for row in ())  # a generator

    with pytest.raises(ExportError, match="Oracle has no ONNX form and cannot be pickled either"):
        export_model(oracle, mixed("tabular-classification")["validation"], tmp_path)


class Numbers(Oracle):
    def predict(self, features):
        return features["visits"]


def test_numbers_where_probabilities_are_wanted_are_refused(mixed, tmp_path):
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
def test_predictions_that_cannot_be_served_are_refused(model, message, mixed, tmp_path):
    with pytest.raises(ExportError, match=message):
        export_model(model, mixed("tabular-classification")["validation"], tmp_path)
