"""The training pipeline: load_data → train_model → evaluate_model → register_model → accepted? →
deploy_model.

Every argument is a section of the configuration, so that one compiled file serves every target.
"""

from kfp import dsl

from .components import deploy_model, evaluate_model, load_data, register_model, train_model


@dsl.pipeline(
    name="training",  # a run gives it the model's name
    description="Train a model, evaluate it against the one in service, deploy it when it passes.",
)
def training_pipeline(
    data: dict,
    train: dict,
    gate: dict,
    registry: dict,
    store: str,
    slices: list = [],  # noqa: B006  (KFP writes it into the pipeline)
    revision: str = "unknown",
    lock: str = "unknown",
    snapshot: str = "",
) -> None:
    loaded = load_data(data=data, registry=registry, snapshot=snapshot)
    trained = train_model(
        train_data=loaded.outputs["train_data"],
        validation_data=loaded.outputs["validation_data"],
        train=train,
        slices=slices,
    )
    evaluated = evaluate_model(
        model=trained.outputs["model"],
        test_data=loaded.outputs["test_data"],
        train_data=loaded.outputs["train_data"],
        gate=gate,
        registry=registry,
        run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        revision=revision,
    )
    # What is compared with, and what is written to, changes between runs.
    evaluated.set_caching_options(False)
    registered = register_model(
        model=trained.outputs["model"],
        test_data=loaded.outputs["test_data"],
        verdict=evaluated.outputs["verdict"],
        registry=registry,
        lock=lock,
    )
    registered.set_caching_options(False)
    with dsl.If(registered.output != "none", name="promoted"):
        deployed = deploy_model(
            model=trained.outputs["model"],
            version=registered.output,
            registry=registry,
            store=store,
        )
        deployed.set_caching_options(False)
