"""What a version keeps of the rows it was made of, and what is watched of a picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from blueprint.data import Dataset
from blueprint.evaluation.evidence import measure_size
from blueprint.model import Model
from blueprint.monitoring import images
from blueprint.monitoring import reference_rows as reference


class Constant:
    """A model that predicts the same for every row: what is kept does not depend on it."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def predict(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        if not self.classes:
            return np.full(rows, 3.0, np.float32)
        return np.tile(np.linspace(1, 2, self.classes, dtype=np.float32), (rows, 1)) / (
            1.5 * self.classes
        )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, sample: dict[str, Dataset], tmp_path: Path) -> Model:
    """A real signature with a constant for a model, as `Model(tmp_path)` would load it."""
    schema = sample["train"].schema
    from blueprint.export.export import _output
    from blueprint.model import Signature, Tensor

    inputs = [Tensor(n, f.dtype, f.shape, f.nullable) for n, f in schema.features.items()]
    signature = Signature(
        schema.task, tuple(inputs), _output(schema), schema.classes, "0" * 64, "onnx"
    )
    made: Any = object.__new__(Model)
    made.signature, made._run = signature, Constant(len(schema.classes)).predict
    monkeypatch.setattr(reference, "Model", lambda directory: made)
    return made


def test_every_row_is_kept_once_with_what_was_predicted_for_it(
    model: Model, sample: dict[str, Dataset]
) -> None:
    train, held_out = sample["train"], sample["validation"]
    rows = reference.sample(model, train, held_out)
    assert len(rows) == train.schema.rows + held_out.schema.rows
    assert rows["held_out"].sum() == held_out.schema.rows
    _, labels = held_out.arrays()
    kept = rows.filter("held_out")["label"].to_list()
    classes = train.schema.classes
    assert kept == ([classes[each] for each in labels] if classes else labels.tolist())
    inputs = [name for name in rows.columns if name.startswith(reference.INPUT)]
    pictures = any(feature.shape for feature in train.schema.features.values())
    assert len(inputs) == (3 if pictures else len(train.schema.features))


def test_of_many_rows_a_fixed_share_of_both_sets_is_kept(
    model: Model, sample: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "ROWS", 100)
    monkeypatch.setattr(reference, "PICTURES", 100)
    train, held_out = sample["train"], sample["validation"]
    once, again = (reference.sample(model, train, held_out) for _ in range(2))
    assert once.equals(again)
    assert abs(len(once) - 100) <= 1
    share = held_out.schema.rows / (held_out.schema.rows + train.schema.rows)
    assert abs(once["held_out"].sum() - 100 * share) <= 1


def test_the_files_are_the_same_each_time_and_no_part_of_the_models_size(
    model: Model, sample: dict[str, Dataset], tmp_path: Path
) -> None:
    texts = []
    for _ in range(2):
        reference.write(tmp_path, sample["train"], sample["validation"])
        texts.append([path.read_bytes() for path in sorted(tmp_path.iterdir())])
    assert texts[0] == texts[1]
    assert measure_size(tmp_path) == 0
    (tmp_path / "model.onnx").write_bytes(b"1" * 1000)
    assert measure_size(tmp_path) == 0.001


def test_the_summary_holds_ranges_categories_and_what_is_missing() -> None:
    rows = pl.DataFrame(
        {
            "input.size": [1.0, None, 3.0, 5.0],
            "input.city": ["a", "a", None, "b"],
            "input.new": [None, None, None, None],
            "prediction": ["x", "y", "x", "x"],
            "held_out": [True, False, False, False],
        },
        schema_overrides={"input.new": pl.Float64},
    )
    summary = json.loads(json.dumps(reference.summarize(rows), allow_nan=False))
    size, city, new = (summary["features"][name] for name in ("size", "city", "new"))
    assert (size["min"], size["max"], size["missing"]) == (1.0, 5.0, 0.25)
    assert size["deciles"] == pytest.approx(np.quantile([1, 3, 5], np.arange(1, 10) / 10))
    assert city["categories"] == {"a": 2, "b": 1}
    assert new == {"dtype": "float64", "rows": 4, "missing": 1.0}
    assert summary["predictions"] == {"counts": {"x": 3, "y": 1}}
    assert (summary["rows"], summary["held_out"]) == (4, 1)


def test_texts_that_are_no_categories_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "CATEGORIES", 2)
    rows = pl.DataFrame({"input.id": ["a", "b", "c"], "prediction": [1.0, 2.0, 3.0]})
    summary = reference.summarize(rows.with_columns(held_out=pl.lit(False)))
    assert "categories" not in summary["features"]["id"]
    assert len(summary["predictions"]["deciles"]) == 9


def test_a_version_without_a_reference_says_how_one_gets_it(tmp_path: Path) -> None:
    with pytest.raises(reference.NoReferenceError, match="make run"):
        reference.read(tmp_path)
    (tmp_path / reference.SAMPLE).write_bytes(b"no parquet")
    with pytest.raises(reference.NoReferenceError, match="cannot be read"):
        reference.read(tmp_path)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (7,)])
def test_pictures_are_three_numbers_each(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (4, *shape), dtype=np.uint8)
    found = images.statistics(pictures)
    assert list(found) == list(images.NAMES)
    for place, picture in enumerate(pictures.astype(float)):
        grey = picture.mean(axis=2) if picture.ndim == 3 else np.atleast_2d(picture)
        steps = [abs(np.diff(grey, axis=axis)).ravel() for axis in (0, 1)]
        expected = grey.mean(), grey.std(), np.concatenate(steps).mean()
        values = [found[name][place] for name in images.NAMES]
        assert values == pytest.approx(expected, rel=1e-4)


def test_noise_is_sharper_and_a_lamp_brighter() -> None:
    plain = np.full((1, 8, 8), 100, np.uint8)
    noisy = plain + np.random.default_rng(0).integers(0, 20, plain.shape, dtype=np.uint8)
    flat, other = images.statistics(plain), images.statistics(noisy)
    assert flat["sharpness"] == 0 == flat["contrast"]
    assert other["sharpness"] > 3 < other["contrast"]
    assert other["brightness"] > flat["brightness"]
    assert images.statistics(plain[:0])["sharpness"].shape == (0,)


def test_inputs_beside_a_picture_keep_their_names() -> None:
    picture, age = np.zeros((2, 4, 4)), np.array([1.0, 2.0])
    assert list(images.described({"image": picture})) == list(images.NAMES)
    both = images.described({"image": picture, "age": age})
    assert list(both) == [*(f"image.{name}" for name in images.NAMES), "age"]


def test_an_exported_model_gets_its_reference(sample: dict[str, Dataset], tmp_path: Path) -> None:
    """The whole way, with the exporter that is here: train_and_export calls `write`."""
    pytest.importorskip("skl2onnx")
    if sample["train"].schema.texts or any(
        f.shape for f in sample["train"].schema.features.values()
    ):
        pytest.skip("the model of this test takes a table of numbers")
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    from blueprint.export.train import train_and_export

    def train_model(train: Dataset, validation: Dataset) -> tuple[Any, dict[str, list[float]]]:
        table, labels = train.table()
        tree = DecisionTreeClassifier if train.schema.classes else DecisionTreeRegressor
        return tree(max_depth=3, random_state=0).fit(table.to_numpy(), labels), {}

    train_and_export(
        train_model, sample["train"].directory, sample["validation"].directory, {}, tmp_path
    )
    rows = reference.read(tmp_path)
    known = rows.drop("prediction", "probability", "label", "held_out", strict=False)
    arrays = {name.removeprefix(reference.INPUT): known[name].to_numpy() for name in known.columns}
    again = Model(tmp_path)
    outputs = again.predict(arrays)
    frame = reference.as_frame(again.signature, arrays, outputs)
    assert frame["prediction"].equals(rows["prediction"])
