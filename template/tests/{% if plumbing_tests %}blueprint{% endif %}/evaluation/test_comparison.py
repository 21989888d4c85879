"""Two models on the same rows: the bounds of the difference, and how often the gate is right."""

import math
from importlib.util import find_spec

import numpy as np
import pytest

from blueprint.evaluation import comparison
from blueprint.evaluation.comparison import bounds, compare
from blueprint.evaluation.metrics import TITLES, Predictions
from blueprint.gate import Champion, Comparison, Evidence, Gain, Gate, decide

CLASSES = ("a", "b", "c")
TASKS = [name for name in TITLES if find_spec(f"blueprint.evaluation.{name}")]
classification = pytest.mark.skipif("classification" not in TASKS, reason="of another task")


def classifier(rows=300, seed=0, sure=1.5):
    """Made-up probabilities of three classes, better where `sure` is greater."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    scores = random.normal(size=(rows, 3))
    scores[np.arange(rows), labels] += sure
    outputs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Predictions(labels, outputs.astype(np.float32), CLASSES)


def regression(rows=300, seed=0, error=1.0):
    random = np.random.default_rng(seed)
    labels = np.linspace(0, 10, rows)
    return Predictions(labels, labels + error * random.normal(size=rows), ())


def answers(right):
    """Predictions of two classes that are right in these rows (n,)."""
    labels = np.zeros(len(right), np.int64)
    return Predictions(labels, np.eye(2)[1 - np.asarray(right, int)], ("a", "b"))


@pytest.mark.parametrize("task", TASKS)
def test_a_metric_follows_from_the_mean_over_the_rows(task):
    predictions = classifier() if task == "classification" else regression()
    for metric, (of_row, from_mean) in predictions.task.MEANS.items():
        mean = of_row(predictions.labels, predictions.outputs).mean()
        assert from_mean(mean) == pytest.approx(predictions.metrics()[metric])


@classification
@pytest.mark.parametrize("rows", [400, 40_000])
def test_the_bounds_are_those_of_theory_where_there_is_one(rows):
    one, other = classifier(rows, 1), classifier(rows, 2)

    gain = compare("accuracy", one, other, 0.95)

    hits = [p.outputs.argmax(axis=1) == p.labels for p in (one, other)]
    difference = hits[0].astype(float) - hits[1]
    width = 1.645 * difference.std() / math.sqrt(rows)
    assert gain.other == hits[1].mean()
    assert gain.value == pytest.approx(difference.mean())
    assert gain.low == pytest.approx(gain.value - width, abs=0.12 * width)
    assert gain.high == pytest.approx(gain.value + width, abs=0.12 * width)


@pytest.mark.skipif("regression" not in TASKS, reason="of another task")
def test_a_mean_has_the_bounds_of_theory():
    predictions = regression(2000)
    sizes = np.abs(predictions.outputs - predictions.labels)

    low, high = bounds("mae", predictions, 0.9)

    width = 1.2816 * sizes.std() / math.sqrt(2000)
    assert low == pytest.approx(sizes.mean() - width, abs=0.1 * width)
    assert high == pytest.approx(sizes.mean() + width, abs=0.1 * width)


@pytest.mark.parametrize("metric", [name for task in TASKS for name in TITLES[task]])
def test_a_gain_is_positive_where_the_challenger_is_better(metric, monkeypatch):
    monkeypatch.setattr(comparison, "SLOW_RESAMPLES", 20)
    good, bad = classifier(sure=5.0), classifier(sure=0.5)
    if metric in TITLES["regression"]:
        good, bad = regression(error=0.5), regression(seed=1, error=2.0)

    gain, loss = compare(metric, good, bad, 0.95), compare(metric, bad, good, 0.95)

    assert 0 < gain.low < gain.value < gain.high
    # Changing places turns everything about.
    assert (loss.value, loss.low, loss.high) == pytest.approx((-gain.value, -gain.high, -gain.low))
    same = compare(metric, good, good, 0.95)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@classification
def test_the_same_predictions_give_the_same_bounds():
    one, other = classifier(seed=1), classifier(seed=2)

    assert compare("log_loss", one, other, 0.95) == compare("log_loss", one, other, 0.95)


@classification
def test_more_confidence_is_a_wider_interval():
    one, other = classifier(seed=1), classifier(seed=2)

    narrow, wide = compare("accuracy", one, other, 0.8), compare("accuracy", one, other, 0.99)

    assert wide.low < narrow.low < narrow.high < wide.high


@classification
def test_a_rare_class_is_in_every_resample(monkeypatch):
    monkeypatch.setattr(comparison, "SLOW_RESAMPLES", 20)
    monkeypatch.setattr(comparison, "SLOW_ROWS", 50)
    predictions = classifier()
    predictions.labels[:] = 0
    predictions.labels[:2] = (1, 2)

    assert all(map(math.isfinite, bounds("macro_f1", predictions, 0.95)))


@classification
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "recall"])
def test_what_cannot_be_measured_has_no_bounds(metric):
    good, bad = classifier(), classifier()
    bad.outputs[7] = math.nan

    for gain in (compare(metric, bad, good, 0.95), compare(metric, good, bad, 0.95)):
        assert all(map(math.isnan, (gain.value, gain.low, gain.high)))
    assert all(map(math.isnan, bounds(metric, bad, 0.95)))
    nothing = Predictions(np.zeros(0, np.int64), np.zeros((0, 3)), CLASSES)
    assert math.isnan(compare(metric, nothing, nothing, 0.95).low)


def accepted_share(loss, margin, trials=20, rows=2000):
    """How often a challenger is accepted that is right in `loss` fewer of all rows.

    Both models are wrong in some 5 % of the rows, half of them rows that the other has right.
    """
    accepted = 0
    for seed in range(trials):
        kind = np.random.default_rng(seed).random(rows)
        new = answers(kind > 0.05 + loss)
        old = answers((kind > 0.025) & (kind < 0.975))
        test = new.task.mcnemar(new.labels, new.outputs, old.outputs)
        evidence = Evidence(
            metrics=new.metrics(),
            rows=rows,
            overlapping=0,
            baseline=Gain(0.5, 0.4, 0.4, 0.4),
            champion=Champion("1", {}, compare("accuracy", new, old, 0.95), test),
            latency_ms=1.0,
            size_mb=1.0,
        )
        gate = Gate(champion=Comparison(metric="accuracy", margin=margin))
        accepted += decide(evidence, gate).accepted
    return accepted / trials


@classification
def test_the_gate_is_right_as_often_as_stated(monkeypatch):
    """docs/gate.md has the rates of more trials."""
    monkeypatch.setattr(comparison, "RESAMPLES", 300)

    assert accepted_share(loss=0.0, margin=0.02) >= 0.95
    assert accepted_share(loss=0.02, margin=0.02) <= 0.15
    assert accepted_share(loss=0.02, margin=0.01) == 0
