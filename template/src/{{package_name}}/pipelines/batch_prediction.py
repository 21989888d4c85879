"""The batch prediction pipeline: score_rows, with files in an object store on both sides.

A step that is tried again goes on where the one before it was killed.
"""

from kfp import dsl

from .components import score_rows


@dsl.pipeline(
    name="batch-prediction",  # `targets.compile` puts the model's name before it
    description="Score the rows of files with a registered model: docs/batch.md.",
)
def batch_prediction_pipeline(
    input_uri: str,
    output_uri: str,
    batch: dict,
    registry: dict,
    version: str = "",
    force: bool = False,
) -> None:
    scored = score_rows(
        input_uri=input_uri,
        output_uri=output_uri,
        version=version,
        force=force,
        batch=batch,
        registry=registry,
    )
    scored.set_caching_options(False)  # the files behind a name change
    scored.set_retry(num_retries=2)
