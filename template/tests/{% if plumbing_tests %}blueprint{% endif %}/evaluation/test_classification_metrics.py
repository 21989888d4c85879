"""The numbers, against values worked out by hand and on inputs that cannot be scored."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from blueprint.evaluation import metrics as both
from blueprint.evaluation.metrics.classification import (
    METRICS,
    class_scores,
    classification_metrics,
    confusion_matrix,
    problem,
    reliability,
)

LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], dtype=np.float32)


def test_values_worked_out_by_hand() -> None:
    metrics = classification_metrics(LABELS, PROBABILITIES)
    assert list(metrics) == list(METRICS)
    assert metrics["accuracy"] == pytest.approx(3 / 4)
    # Class 0: precision 1, recall 1/2. Class 1: precision 2/3, recall 1.
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # Every 1 has a higher probability of being 1 than every 0.
    assert metrics["roc_auc"] == pytest.approx(1)
    log_loss = -np.log([0.9, 0.4, 0.8, 0.7]).mean()
    assert metrics["log_loss"] == pytest.approx(log_loss, abs=1e-6)
    # Four bins of one row each: right at 0.9, 0.8, 0.7, wrong at 0.6.
    assert metrics["calibration_error"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4, abs=1e-6)


def test_every_metric_is_a_plain_float() -> None:
    assert {type(value) for value in classification_metrics(LABELS, PROBABILITIES).values()} == {
        float
    }


def test_certain_and_right_is_perfect_in_every_metric() -> None:
    metrics = classification_metrics(np.array([0, 1, 2]), np.eye(3, dtype=np.float32))
    for name in METRICS:
        assert metrics[name] == pytest.approx(float(both.higher_is_better(name)), abs=1e-6), name


def test_a_class_without_rows_leaves_its_averages_open() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    metrics = classification_metrics(np.array([0, 1]), probabilities)
    assert metrics["accuracy"] == 1
    assert metrics["log_loss"] == pytest.approx(-math.log(0.8))
    assert math.isnan(metrics["macro_f1"])
    assert math.isnan(metrics["roc_auc"])


def test_a_class_never_predicted_counts_as_zero() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    metrics = classification_metrics(np.array([0, 1]), probabilities)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("labels", "probabilities", "reason"),
    [
        ([], np.empty((0, 3)), "empty"),
        ([0, 0], [[1.0], [1.0]], "fewer than two classes"),
        ([0, 1], [[0.5, 0.5], [math.nan, 0.5]], "1 of 2 rows"),
        ([0, 1], [[math.inf, 0.0], [-math.inf, 0.0]], "2 of 2 rows"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "outside the 2 classes"),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], "outside the 2 classes"),
        ([0, 1], [[3.0, -2.0], [0.5, 0.5]], "not probabilities"),
        ([0, 1], [[7.0, 2.0], [0.5, 0.5]], "not probabilities"),
    ],
)
def test_what_cannot_be_scored_is_nan_with_a_reason(
    labels: list[int], probabilities: object, reason: str
) -> None:
    arrays = np.array(labels, dtype=np.int64), np.array(probabilities)
    assert reason in problem(*arrays)
    metrics = classification_metrics(*arrays)
    assert list(metrics) == list(METRICS)
    assert all(math.isnan(value) for value in metrics.values())


def test_arrays_that_do_not_belong_together_are_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\) and \(4, 2\)"):
        classification_metrics(LABELS[:3], PROBABILITIES)


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    assert confusion_matrix(LABELS, PROBABILITIES).tolist() == [[1, 1], [0, 2]]


def test_class_scores_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 200)
    probabilities = random.dirichlet(np.ones(5), 200)
    expected = f1_score(labels, probabilities.argmax(axis=1), average=None)
    scores = class_scores(confusion_matrix(labels, probabilities))
    np.testing.assert_allclose(scores.f1, expected)


def test_reliability_counts_every_row_once() -> None:
    # A confidence on an edge belongs to the bin below it; 1 belongs to the last.
    bins = reliability(np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.6, 0.4], [0.6, 0.4]]))
    assert bins.rows.sum() == 3
    assert bins.rows[-1] == 1
    assert bins.rows[8] == 2
    assert bins.accuracy[8] == 0.5
    assert bins.confidence[8] == pytest.approx(0.6)
    assert math.isnan(bins.accuracy[0])


def test_what_is_measured_follows_from_the_classes() -> None:
    classified = both.Predictions(LABELS, PROBABILITIES, ("cat", "dog"))
    numbers = both.Predictions(np.array([1.0, 2.0]), np.array([1.0, 3.0]), ())
    assert both.metrics_of(classified) == classification_metrics(LABELS, PROBABILITIES)
    assert set(both.metrics_of(numbers)) == {"rmse", "mae", "r2"}
    assert set(both.METRICS) == {*both.metrics_of(classified), *both.metrics_of(numbers)}
    assert both.problem(classified) == both.problem(numbers) == ""
    with pytest.raises(ValueError, match="probabilities"):
        both.problem(numbers._replace(classes=("cat", "dog")))
    with pytest.raises(ValueError, match="predictions"):
        both.metrics_of(classified._replace(classes=()))
