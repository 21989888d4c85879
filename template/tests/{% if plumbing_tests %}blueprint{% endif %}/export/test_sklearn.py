"""scikit-learn's exporter: texts and gaps go in raw, and an export that lies is caught.

test_train.py exports the project's own model, test_export.py what no exporter knows.
"""

import re

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from blueprint.data import as_table
from blueprint.export import ExportError, optional
from blueprint.export.export import export_model
from blueprint.model import Model

if optional("sklearn") is None or optional("saved_model"):
    pytest.skip("scikit-learn's models are not exported here", allow_module_level=True)

ROWS = 600


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


def test_an_estimator_of_plain_numbers_takes_the_columns_side_by_side(mixed, split, tmp_path):
    data = mixed("tabular-regression")
    rows = data["train"].scan().select("visits", "label", squared=pl.col("visits") ** 2)
    visits = split(rows, tmp_path / "data", "tabular-regression")["train"]
    features, labels = visits.arrays()
    native = LinearRegression().fit(np.stack([*features.values()], axis=1), labels)

    export_model(native, visits, tmp_path / "model")

    assert [t.name for t in Model(tmp_path / "model").signature.inputs] == ["visits", "squared"]


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
def test_columns_may_be_called_anything(task, side_by_side, split, tmp_path):
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
    ("encoder", "message"),
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
def test_texts_are_encoded_as_they_were_or_a_fallback_says_why(encoder, message, split, tmp_path):
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

    assert re.search(message, reason) if message else not reason, reason
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


def test_classes_in_another_order_are_rejected(mixed, tmp_path):
    data = mixed("tabular-classification")
    native = trees(HistGradientBoostingClassifier(max_iter=5), data["train"])
    native[-1].classes_ = np.array(["low", "high"])

    with pytest.raises(ExportError, match="has the classes low, high in this order, the data has"):
        export_model(native, data["validation"], tmp_path)
