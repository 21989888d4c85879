"""What the gate judges by: everything about a model that is measured on the test rows."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from .. import gate
from ..data import Dataset, check_columns
from ..data.dataset import SLICES
from ..errors import UserError
from ..model import Model, ModelError
from ..registry.client import Registry, RegistryError, Version
from . import settings
from .comparison import compare, mcnemar
from .metrics import Predictions, metrics_of

VALUES = 50  # of a column that can be sliced
CALLS, SECONDS = 100, 1.0  # predictions that are timed at most, and for how long
WARM_UP = 5


class ChampionPredictions(NamedTuple):
    """What the model in service says of the test rows, or the `error` for which it says nothing."""

    version: str
    predictions: Predictions | None
    error: str = ""

    def metrics(self) -> dict[str, float]:
        return metrics_of(self.predictions) if self.predictions else {}


def predict(model: Model, test: Dataset) -> Predictions:
    """What the model says of every test row; the features are read batch by batch."""
    signature = model.signature
    labels = [np.zeros(0, np.int64)]
    outputs = [np.zeros((0, *signature.output.shape), np.float32)]
    for features, batch_labels in test.batches():
        labels.append(batch_labels)
        outputs.append(model.predict(features))
    return Predictions(np.concatenate(labels), np.concatenate(outputs), signature.classes)


def predict_constant(train: Dataset, test: Predictions) -> Predictions:
    """What a model without features would say of the same rows.

    It gives the shares of the classes in the training set, and so always says the most frequent
    one; in a regression the mean of the training labels.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    schema = train.schema
    column = train.scan().select(schema.label).collect().to_series()
    labels = (column.to_physical() if schema.classes else column).to_numpy()
    nothing = np.zeros((len(labels), 1))
    if not test.classes:
        dummy = DummyRegressor(strategy="mean").fit(nothing, labels)
        return test._replace(outputs=np.full(len(test.labels), dummy.predict(nothing[:1])[0]))
    dummy = DummyClassifier(strategy="prior").fit(nothing, labels)
    shares = np.zeros(len(schema.classes))
    shares[dummy.classes_.astype(np.int64)] = dummy.predict_proba(nothing[:1])[0]
    return test._replace(outputs=np.broadcast_to(shares, (len(test.labels), len(shares))))


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


def predict_champion(
    version: Version, registry: Registry, new: Model, test: Dataset
) -> ChampionPredictions:
    """Ask the champion about the same rows; what goes wrong is said in `error`."""
    try:
        with registry.model(version) as directory:
            old = Model(directory)
            if _interface(old) != _interface(new):
                raise ModelError(
                    "its task, inputs or classes are not those of the new model; "
                    "a new registry.name in config/ starts afresh"
                )
            return ChampionPredictions(version.number, predict(old, test))
    except (ModelError, RegistryError) as error:
        return ChampionPredictions(version.number, None, str(error))


def compare_champion(
    champion: ChampionPredictions, challenger: Predictions, rules: gate.Rules
) -> gate.Champion:
    """The comparison of the two as the gate takes it."""
    if champion.predictions is None:
        return gate.Champion(champion.version, error=champion.error)
    return gate.Champion(
        champion.version,
        compare(rules.metric, challenger, champion.predictions, rules.confidence),
        mcnemar(challenger, champion.predictions) if challenger.classes else None,
    )


def measure_slices(
    test: Dataset, predictions: Predictions, asked: settings.Slices
) -> Iterator[gate.Slice]:
    """The metrics of each value of the asked columns, and of each class.

    Raises `UserError` for a column that the test set does not have or that has many values.
    """
    for name in asked.columns:
        values = _column(test, name)
        for value in values.unique().sort():
            yield _slice(f"{name}={value or 'missing'}", predictions, (values == value).to_numpy())
    if asked.classes and not predictions.classes:
        raise UserError("gate.slices.classes in config/: a regression has no classes")
    for index, name in enumerate(predictions.classes if asked.classes else ()):
        yield _slice(f"class={name}", predictions, predictions.labels == index)


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
    """The files of an exported model in megabytes."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6


def _interface(model: Model) -> tuple[Any, ...]:
    signature = model.signature
    return signature.task, signature.inputs, signature.classes, signature.output.shape


def _column(test: Dataset, name: str) -> pl.Series:
    check_columns(test, [name])
    values = test.scan().select(pl.col(name).cast(pl.String).fill_null("")).collect().to_series()
    if values.n_unique() > VALUES:
        text = f"{name!r} has more than {VALUES} values: put them into groups in steps/"
        raise UserError(f"{SLICES}: {text}")
    return values


def _slice(name: str, predictions: Predictions, rows: np.ndarray) -> gate.Slice:
    labels, outputs, classes = predictions
    return gate.Slice(
        name, int(rows.sum()), metrics_of(Predictions(labels[rows], outputs[rows], classes))
    )
