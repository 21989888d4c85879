"""Your gate: the rules in config/base.yaml keep a bad model out."""


def test_a_model_that_learned_nothing_is_rejected(rejected):
    assert not rejected.verdict["accepted"]
    assert rejected.verdict["reason"]


def test_every_floor_is_of_a_metric_that_is_measured(rejected, configure):
    assert set(configure().gate.floors) <= set(rejected.verdict["metrics"])
