"""evaluate_model: an exported model and test rows to a verdict."""

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from blueprint.pipelines import component


@component
def evaluate_model(
    model: Input[Model],
    test_data: Input[Dataset],
    train_data: Input[Dataset],
    gate: dict,
    registry: dict,
    run: str,
    revision: str,
    verdict: Output[Artifact],
    metrics: Output[Metrics],
    classes: Output[ClassificationMetrics],
    report: Output[HTML],
) -> bool:
    """Measure the exported model and the champion on the same rows; true is accepted by the gate.

    `gate` and `registry` are those sections of the configuration; `run` and `revision` name the
    pipeline run and the git commit in the record. No row of `train_data` may be a test row.
    """
    from blueprint.progress import step

    with step("evaluate_model") as say:
        from blueprint.evaluation.evaluate import evaluate
        from blueprint.gate import Gate
        from blueprint.registry.client import Registry

        result = evaluate(
            model.path,
            test_data.path,
            train_data.path,
            gate=Gate.model_validate(gate),
            registry=Registry(**registry),
            tags={"pipeline.run": run, "git.commit": revision},
            verdict_path=verdict.path,
            report_path=report.path,
        )
        verdict.metadata.update({"run_id": result.run_id, "accepted": result.accepted})
        for name, value in result.numbers().items():
            metrics.log_metric(name, value)
        if result.confusion:
            classes.log_confusion_matrix(result.confusion.classes, result.confusion.counts)
        if result.roc:
            classes.log_roc_curve(*result.roc)
        for line in result.lines():
            say(line)
    return result.accepted
