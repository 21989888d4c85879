"""What the gate decides by: everything about a model that is measured on the test rows."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from ..data import Dataset, check_columns
from ..data.dataset import SLICES
from ..data.hashing import shares
from ..errors import UserError
from ..gate import Champion, Comparison, Slice, Slices
from ..model import Model, ModelError
from ..registry.client import Registry, RegistryError, Version
from .comparison import compare
from .metrics import Predictions

VALUES = 50  # of a column that can be sliced
CALLS, SECONDS = 100, 1.0  # predictions that are timed at most, and for how long
WARM_UP = 5


def predict(model: Model, test: Dataset) -> Predictions:
    """What the model predicts for every test row; the features are read batch by batch."""
    labels = [np.zeros(0, np.int64)]
    outputs = [np.zeros((0, *model.signature.output.shape), np.float32)]
    for features, batch_labels in test.batches():
        labels.append(batch_labels)
        outputs.append(model.predict(features))
    return Predictions(np.concatenate(labels), np.concatenate(outputs), model.signature.classes)


def predict_constant(train: Dataset, test: Predictions) -> Predictions:
    """What a model without features would predict for the same rows, from the training labels.

    The shares of the classes, and so always the most frequent one; in a regression the mean.
    """
    column = train.scan().select(train.schema.label).collect().to_series()
    if not test.classes:
        return test._replace(outputs=np.full(len(test.labels), column.mean()))
    counts = np.bincount(column.to_physical().to_numpy(), minlength=len(test.classes))
    outputs = np.broadcast_to(counts / counts.sum(), (len(test.labels), len(counts)))
    return test._replace(outputs=outputs)


def find_errors(model: Model, trained_on: str, test: Dataset, train: Dataset) -> list[str]:
    """Why numbers of this model on these sets would mean nothing; `trained_on` is a data hash."""
    errors = []
    if model.signature.classes != test.schema.classes:
        errors.append("the model's classes are not those of the test set")
    if train.schema.features != test.schema.features or train.schema.classes != test.schema.classes:
        errors.append("the training set has other features or classes than the test set")
    if trained_on != train.schema.content_hash:
        errors.append(
            f"the model was trained on data {trained_on[:8]}, "
            f"not on the training set {train.schema.content_hash[:8]}"
        )
    return errors


def compare_champion(
    version: Version,
    registry: Registry,
    new: Model,
    test: Dataset,
    challenger: Predictions,
    rules: Comparison,
) -> Champion:
    """The champion, measured on the same rows; what goes wrong is its `error`."""
    try:
        with registry.model(version) as directory:
            old = Model(directory)
            if _interface(old) != _interface(new):
                raise ModelError(
                    "its task, inputs or classes are not those of the new model; "
                    "a new registry.name in config/ starts afresh"
                )
            predictions = predict(old, test)
    except (ModelError, RegistryError) as error:
        return Champion(version.number, error=str(error))
    rows = (challenger.labels, challenger.outputs, predictions.outputs)
    return Champion(
        version.number,
        predictions.metrics(),
        compare(rules.metric, challenger, predictions, rules.confidence),
        challenger.task.mcnemar(*rows) if challenger.classes else None,
    )


def measure_slices(test: Dataset, predictions: Predictions, slices: Slices) -> Iterator[Slice]:
    """The metrics of each value of the columns, and of each class.

    Raises `UserError` for a column that the test set does not have or that has many values.
    """
    check_columns(test, slices.columns)
    if slices.classes and not predictions.classes:
        raise UserError("gate.slices.classes in config/: a regression has no classes")
    masks = {}
    for name in slices.columns:
        column = pl.col(name).cast(pl.String).fill_null("")
        values = test.scan().select(column).collect().to_series()
        if values.n_unique() > VALUES:
            text = f"{name!r} has more than {VALUES} values: put them into groups in data.py"
            raise UserError(f"{SLICES}: {text}")
        for value in values.unique().sort():
            masks[f"{name}={value or 'missing'}"] = (values == value).to_numpy()
    for index, name in enumerate(predictions.classes if slices.classes else ()):
        masks[f"class={name}"] = predictions.labels == index
    for name, rows in masks.items():
        labels, outputs = predictions.labels[rows], predictions.outputs[rows]
        part = predictions._replace(labels=labels, outputs=outputs)
        yield Slice(name, int(rows.sum()), part.metrics())


def measure_latency(model: Model, test: Dataset) -> float:
    """The median of single-row predictions in milliseconds; NaN without rows."""
    features, labels = next(test.batches(rows=CALLS), ({}, ()))
    rows = len(labels)
    if not rows:
        return math.nan
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    for call in range(WARM_UP + CALLS):
        row = call % rows
        instance = {name: values[row : row + 1] for name, values in features.items()}
        begin = time.perf_counter()
        model.predict(instance)
        times.append(time.perf_counter() - begin)
        if begin > end and len(times) > WARM_UP:
            break
    return median(times[WARM_UP:]) * 1000


def measure_size(directory: Path) -> float:
    """The files of an exported model in megabytes, but for the reference, which no server loads."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.stem != "reference")
    return sum(file.stat().st_size for file in files) / 1e6


def count_overlap(test: Dataset, train: Dataset) -> int:
    """The number of test rows with the features of a training row, whatever their labels.

    Memory holds one hash a test row, of 53 bits: with ten million rows, a fifth of them in the test
    set, the chance that two different ones are taken for equal is one in 500.
    """
    known, rows = np.unique(np.concatenate([np.zeros(0), *_hashes(test)]), return_counts=True)
    seen = np.zeros(len(known), bool)
    for batch in _hashes(train) if len(known) else ():
        place = np.minimum(np.searchsorted(known, batch), len(known) - 1)
        seen[place[known[place] == batch]] = True
    return int(rows[seen].sum())


def _hashes(dataset: Dataset) -> Iterator[np.ndarray]:
    """One number a row, (n,) a batch; columns count by their names, in any order."""
    for features, _ in dataset.batches(rows=65_536):
        columns = (features[name] for name in sorted(features))
        yield shares(pl.Series(v, dtype=pl.String if v.dtype == object else None) for v in columns)


def _interface(model: Model) -> tuple[Any, ...]:
    signature = model.signature
    return signature.task, signature.inputs, signature.classes, signature.output.shape
