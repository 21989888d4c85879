"""The section `gate` of the configuration: what a person can ask for, and what is rejected."""

from importlib.util import find_spec

import pytest

from blueprint.evaluation.settings import problems
from blueprint.gate import Comparison, Gate
from blueprint.settings import SettingsError


def test_everything_can_be_asked(load):
    gate = load(
        "gate.champion={metric: log_loss, margin: 0.1, confidence: 0.9}",
        "gate.baseline=true",
        "gate.overlap=0.01",
        "gate.slices={columns: [city], classes: true, min_rows: 9, floors: {accuracy: 0.7}}",
        "gate.budgets={latency_ms: 5, size_mb: 50}",
    ).gate

    assert gate.champion.confidence == 0.9
    assert gate.slices.min_rows == 9
    assert gate.budgets.latency_ms == 5


def test_what_is_not_asked_is_off(load):
    gate = load().gate

    assert not gate.slices.floors
    assert gate.budgets.latency_ms is gate.budgets.size_mb is None
    assert gate.overlap == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gate.champion.margin=-1", "gate.champion.margin: .*greater than or equal to 0"),
        ("gate.champion.margin=.inf", "gate.champion.margin: .*finite"),
        ("gate.champion.confidence=95", "gate.champion.confidence: .*less than 1"),
        ("gate.champion.confidence=0.5", "gate.champion.confidence: .*greater than 0.5"),
        ("gate.overlap=2", "gate.overlap: .*less than 1"),
        ("gate.slices.columns=[city]", "gate.slices: give floors, and columns or classes"),
        ("gate.slices.floors={accuracy: 0.7}", "gate.slices: give floors, and columns or classes"),
        ("gate.budgets.latency_ms=0", "gate.budgets.latency_ms: .*greater than 0"),
        ("gate.budget.latency_ms=5", "gate.budget: no such key"),
    ],
)
def test_what_makes_no_sense_is_rejected(override, message, load):
    with pytest.raises(SettingsError, match=message):
        load(override)


def test_a_task_whose_code_is_not_here_says_how_to_get_it():
    gates = {"tabular-regression": "rmse", "tabular-classification": "accuracy"}
    for task, metric in gates.items():
        found = "\n".join(problems(Gate(champion=Comparison(metric=metric)), task))
        here = find_spec(f"blueprint.evaluation.{task.removeprefix('tabular-')}")
        assert (found == "") == bool(here)
        assert here or f'`make upgrade ARGS="task={task}"` brings it' in found
