"""The numbers, against values worked out by hand and on inputs that cannot be scored."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

pytest.importorskip("blueprint.evaluation.classification")

from blueprint.evaluation.classification import confusion_matrix, mcnemar, problem, reliability
from blueprint.evaluation.metrics import TITLES, Predictions
from blueprint.gate import LOWER_IS_BETTER

METRICS = TITLES["classification"]

LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], dtype=np.float32)


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    classes = tuple("abcde"[: max(probabilities.shape[-1], 1)])
    return Predictions(labels, probabilities, classes).metrics()


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
        assert metrics[name] == pytest.approx(float(name not in LOWER_IS_BETTER), abs=1e-6), name


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


def test_own_metrics_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 200)
    probabilities = random.dirichlet(np.ones(5), 200).astype(np.float32)
    probabilities[0] = np.eye(5)[(labels[0] + 1) % 5]  # no chance at all for the true class
    metrics = classification_metrics(labels, probabilities)
    assert metrics["accuracy"] == accuracy_score(labels, probabilities.argmax(axis=1))
    assert metrics["log_loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-6)


def test_reliability_counts_every_row_once() -> None:
    # A confidence on an edge belongs to the bin below it; 1 belongs to the last.
    bins = reliability(np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.6, 0.4], [0.6, 0.4]]))
    assert bins.rows.sum() == 3
    assert bins.rows[-1] == 1
    assert bins.rows[8] == 2
    assert bins.accuracy[8] == 0.5
    assert bins.confidence[8] == pytest.approx(0.6)
    assert math.isnan(bins.accuracy[0])


def test_mcnemar_counts_the_rows_that_only_one_has_right() -> None:
    labels = np.zeros(9, np.int64)
    new = np.eye(2)[1 - np.array([1, 1, 1, 0, 0, 0, 0, 0, 1])]
    old = np.eye(2)[1 - np.array([1, 0, 0, 1, 1, 1, 1, 1, 1])]

    test = mcnemar(labels, new, old)

    assert (test.gained, test.lost) == (2, 5)
    # 5, 6 or 7 of 7 coins: (21 + 7 + 1) / 128.
    assert test.p == pytest.approx(29 / 128)
    assert mcnemar(labels, old, new).p == pytest.approx(1 - 8 / 128)
    assert mcnemar(labels, new, new).p == 1


def test_a_metric_that_the_task_does_not_have_is_nan() -> None:
    predictions = Predictions(LABELS, PROBABILITIES, ("cat", "dog"))
    assert list(predictions.metrics()) == list(METRICS)
    assert predictions.problem == ""
    assert predictions.metrics(["accuracy"]) == {"accuracy": 0.75}
    assert math.isnan(predictions.metrics(["rmse"])["rmse"])
