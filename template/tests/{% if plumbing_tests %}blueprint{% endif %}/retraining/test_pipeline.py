"""The pipeline `monitoring`: the training pipeline's parameters and steps, and one decision."""

import inspect

import pytest
from kfp import dsl

from blueprint import pipelines
from blueprint.monitoring.retraining.graph import steps_of, with_parameters_of
from blueprint.targets import graph


@dsl.component
def first(text: str) -> str:
    return text


@dsl.component
def second(text: str):
    print(text)


@dsl.pipeline
def inner(name: str, count: int = 3):
    one = first(text=name)
    with dsl.If(one.output == "go"):
        second(text=one.output)


def test_a_parameter_of_the_training_is_one_of_the_monitoring():
    wanted = inspect.signature(pipelines.load("training").pipeline_func).parameters
    found = inspect.signature(pipelines.load("monitoring").pipeline_func).parameters

    assert wanted.keys() < found.keys()
    assert found.keys() - wanted.keys() == {"drift", "retraining", "prediction_log", "metrics"}


def test_a_function_gets_parameters_of_another_pipeline():
    @with_parameters_of(inner)
    def outer(flag: bool, **others):
        given.append((flag, others))

    given = []
    outer(True, "a")
    outer(flag=False, name="b", count=4)

    assert str(inspect.signature(outer)) == "(flag: bool, name: str, count: int = 3)"
    assert given == [(True, {"name": "a"}), (False, {"name": "b", "count": 4})]


def test_the_steps_of_a_pipeline_are_steps_of_another():
    tasks = []

    @dsl.pipeline
    def outer(name: str):
        with dsl.If(name != ""):
            tasks.extend(steps_of(inner, {"name": name, "count": 1}))

    found = outer.pipeline_spec.components["comp-condition-1"].dag.tasks
    assert "first" in found
    assert {task.name for task in tasks} == {"first"}  # the other one may not run


def test_its_steps_have_options_and_names(load):
    made = graph.configure(load("pipeline.steps.train_model.cache=false"), "image", "monitoring")

    assert made.steps[0] == "monitor_model"
    assert {*made.steps} == {*graph.configure(load(), "image").steps} | {
        "monitor_model",
        "record_retraining",
    }
    assert not made.repeatable
    assert made.pipeline.name.endswith("-monitoring")


def test_only_a_decision_to_train_starts_the_training(load):
    spec = graph.configure(load(), "image", "monitoring").pipeline.pipeline_spec
    tasks = spec.root.dag.tasks

    assert len(tasks) == 2
    [condition] = [each for name, each in tasks.items() if name != "monitor-model"]
    assert condition.trigger_policy.condition.endswith("== 'train'")
    assert not tasks["monitor-model"].caching_options.enable_cache


def test_its_parameters_are_sections(load):
    values = graph.arguments(
        load("retraining.enabled=true"),
        {"revision": "r", "lock": "l", "snapshot": "s"},
        "monitoring",
    )

    assert values["retraining"] == {"enabled": True, "cooldown_hours": 24, "per_week": 2}
    assert {"data", "drift", "registry", "train", "gate", "snapshot"} <= values.keys()


@pytest.mark.parametrize("wrong", ["cooldown_hours=-1", "per_week=0", "often=true"])
def test_a_mistake_in_the_section_is_an_error(load, wrong):
    from blueprint.settings import SettingsError

    with pytest.raises(SettingsError, match=rf"retraining\.{wrong.partition('=')[0]}"):
        load(f"retraining.{wrong}")
