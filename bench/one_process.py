"""The reference of the orchestration row: the functions behind the pipeline's components, one after
another in this process, with the arguments that the pipeline would pass. PACKAGE is the argument.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(package: str, directory: Path) -> None:
    from kfp import dsl

    steps = importlib.import_module(f"{package}.pipelines").module("components")
    settings = importlib.import_module(f"{package}.settings").load()
    values = importlib.import_module(f"{package}.targets.graph").parameters(settings)

    def artifact(name: str, kind: type[dsl.Artifact] = dsl.Artifact) -> Any:
        return kind(name=name, uri=str(directory / name))

    data = {name: artifact(name) for name in ("train_data", "validation_data", "test_data")}
    model, verdict = artifact("model", dsl.Model), artifact("verdict.json")
    steps.load_data.python_func(
        data=values["data"], registry=values["registry"], snapshot="", **data
    )
    steps.train_model.python_func(
        train_data=data["train_data"],
        validation_data=data["validation_data"],
        train=values["train"],
        model=model,
    )
    accepted = steps.evaluate_model.python_func(
        model=model,
        test_data=data["test_data"],
        train_data=data["train_data"],
        gate=values["gate"],
        registry=values["registry"],
        run="one-process",
        revision="unknown",
        verdict=verdict,
        metrics=artifact("metrics", dsl.Metrics),
        classes=artifact("classes", dsl.ClassificationMetrics),
        report=artifact("report.html"),
    )
    if not accepted:
        sys.exit("the model was rejected, so not every step ran: nothing to compare with")
    registry = values["registry"]
    version = steps.register_model.python_func(
        model=model, test_data=data["test_data"], verdict=verdict, registry=registry, lock="unknown"
    )
    steps.deploy_model.python_func(
        model=model, version=version, registry=registry, store=values["store"]
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], Path(folder))
