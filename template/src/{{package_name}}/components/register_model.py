"""register_model: an evaluated model to a version in the registry; an accepted one is champion."""

from kfp.dsl import Artifact, Dataset, Input, Model

from blueprint.pipelines import component


@component
def register_model(
    model: Input[Model],
    test_data: Input[Dataset],
    verdict: Input[Artifact],
    registry: dict,
    lock: str,
) -> str:
    """Register the model with its card; return its version if that is the champion, else "none".

    `registry` is that section of the configuration, `lock` the SHA-256 of uv.lock.
    """
    from blueprint.progress import step

    with step("register_model") as say:
        import json
        from pathlib import Path

        from blueprint.registry.client import Registry
        from blueprint.registry.registration import register

        result = register(
            model.path,
            test_data.path,
            verdict=json.loads(Path(verdict.path).read_text()),
            run_id=verdict.metadata["run_id"],
            lock=lock,
            registry=Registry(**registry),
        )
        say(result.line)
    return result.version if result.promoted else "none"
