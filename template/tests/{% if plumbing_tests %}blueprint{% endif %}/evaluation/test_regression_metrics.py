"""The numbers of a regression, worked out by hand, and on inputs that cannot be scored."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

pytest.importorskip("blueprint.evaluation.regression")

from blueprint.evaluation.metrics import TITLES, Predictions
from blueprint.evaluation.regression import problem
from blueprint.gate import LOWER_IS_BETTER

METRICS = TITLES["regression"]

LABELS = np.array([1.0, 2.0, 3.0, 6.0])
PREDICTIONS = np.array([1.0, 3.0, 3.0, 3.0], dtype=np.float32)


def regression_metrics(labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    return Predictions(labels, outputs, ()).metrics()


def test_values_worked_out_by_hand() -> None:
    metrics = regression_metrics(LABELS, PREDICTIONS)
    assert list(metrics) == list(METRICS)
    assert metrics["rmse"] == pytest.approx(math.sqrt((0 + 1 + 0 + 9) / 4))
    assert metrics["mae"] == pytest.approx((0 + 1 + 0 + 3) / 4)
    # The mean is 3: the labels' squared distances from it are 4, 1, 0 and 9.
    assert metrics["r2"] == pytest.approx(1 - 10 / 14)
    assert {type(value) for value in metrics.values()} == {float}


def test_a_perfect_model_is_perfect_in_every_metric() -> None:
    metrics = regression_metrics(LABELS, LABELS)
    for name in METRICS:
        assert metrics[name] == float(name not in LOWER_IS_BETTER), name


def test_a_real_model_beats_the_mean_and_the_mean_explains_nothing() -> None:
    rows, labels = load_diabetes(return_X_y=True, scaled=False)
    mean = regression_metrics(labels, DummyRegressor().fit(rows, labels).predict(rows))
    model = regression_metrics(labels, LinearRegression().fit(rows, labels).predict(rows))
    assert mean["r2"] == pytest.approx(0)
    assert mean["rmse"] == pytest.approx(labels.std())
    assert model["r2"] == pytest.approx(0.5177, abs=1e-4)
    assert model["rmse"] < mean["rmse"]
    assert model["mae"] < model["rmse"]
    outputs = LinearRegression().fit(rows, labels).predict(rows)
    assert model["mae"] == pytest.approx(mean_absolute_error(labels, outputs))
    assert model["rmse"] == pytest.approx(root_mean_squared_error(labels, outputs))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [[3.0], [3.0, 3.0]])
def test_labels_that_are_all_the_same_leave_no_variance_to_explain(labels: list[float]) -> None:
    metrics = regression_metrics(np.array(labels), np.array(labels) + 0.5)
    assert metrics["rmse"] == metrics["mae"] == 0.5
    assert math.isnan(metrics["r2"])


@pytest.mark.filterwarnings("error")
def test_an_error_too_large_to_square_is_not_a_number() -> None:
    metrics = regression_metrics(np.array([0.0, 1.0]), np.array([1e200, 1.0]))
    assert math.isnan(metrics["rmse"])
    assert math.isnan(metrics["r2"])
    assert metrics["mae"] == pytest.approx(5e199)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("labels", "predictions", "reason"),
    [
        ([], [], "the test set is empty"),
        ([1, 2], [math.nan, 2], "1 of 2 rows have a prediction that is not a finite number"),
        ([1, 2], [math.inf, -math.inf], "2 of 2 rows have a prediction"),
        ([1, math.nan], [1, 2], "1 of 2 rows have a label that is not a finite number"),
    ],
)
def test_what_cannot_be_scored_is_nan_with_a_reason(
    labels: list[float], predictions: list[float], reason: str
) -> None:
    arrays = np.array(labels, np.float64), np.array(predictions, np.float32)
    assert reason in problem(*arrays)
    metrics = regression_metrics(*arrays)
    assert list(metrics) == list(METRICS)
    assert all(math.isnan(value) for value in metrics.values())


@pytest.mark.parametrize("shape", [(3,), (4, 1)])
def test_arrays_that_do_not_belong_together_are_a_mistake_in_the_code(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(ValueError, match=r"expected labels \(n,\) and predictions \(n,\)"):
        regression_metrics(LABELS, np.zeros(shape))
