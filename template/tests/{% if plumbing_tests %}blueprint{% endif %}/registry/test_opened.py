"""A step's MLflow run that somebody else has opened: the model's record goes there."""

import blueprint.registry.opened  # noqa: F401  where such runs are looked for


def test_a_run_that_is_open_already_is_joined_and_left_open(registry, evaluate, monkeypatch):
    """KFP's MLflow plugin opens one a step, in an experiment of its own, and ends it itself."""
    mlflow = registry.client
    experiment = mlflow.create_experiment("KFP-Default")
    opened = mlflow.create_run(experiment, run_name="evaluate-model").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)

    evaluated = evaluate(1.0)

    run = mlflow.get_run(opened)
    assert evaluated.run_id == opened
    assert run.info.status == "RUNNING"
    assert run.data.metrics["rmse"] == 0.5
    assert mlflow.get_experiment_by_name(registry.name) is None
    mlflow.set_terminated(opened)
    monkeypatch.delenv("MLFLOW_RUN_ID")
    assert evaluated.register(registry).promoted
    champion = registry.champion()
    assert champion.run_id == opened
    with registry.model(champion) as directory:
        assert (directory / "model.onnx").exists()


def test_a_run_that_is_over_or_of_another_server_is_not_joined(registry, evaluate, monkeypatch):
    first = evaluate(1.0)
    for elsewhere in (first.run_id, "f00d" * 8):
        monkeypatch.setenv("MLFLOW_RUN_ID", elsewhere)
        evaluated = evaluate(2.0)
        assert evaluated.run_id not in (first.run_id, elsewhere)
        assert registry.client.get_run(evaluated.run_id).info.status == "FINISHED"
