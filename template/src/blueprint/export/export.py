"""Write a trained model in its exported form, and prove that it predicts as the trained one."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Dataset, Schema, as_instance
from ..model import (
    EXAMPLE_FILE,
    MODEL_FILE,
    PYFUNC_FOLDER,
    SIGNATURE_FILE,
    Model,
    ModelError,
    Signature,
    Tensor,
    digest,
    summary,
)
from . import ExportError, optional
from .native import Native, native

# float32 arithmetic differs by about 1e-6 between runtimes; a real fault is orders larger. Of a
# probability, or of the largest number that a regression predicts.
TOLERANCE = 1e-4


def export_model(model: Any, data: Dataset, directory: Path, package: str = "") -> str:
    """Write `model` to `directory`, and return why it is no ONNX file ("" when it is).

    `model` is what `train_model` returned: docs/your-own-model.md says what that may be. `data`
    gives the names and types of the input, the classes, and the rows that the export is checked on;
    `package` is the owner's, whose code a fallback carries. Raises `ExportError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    trained, path, reason = native(model, data.schema), directory / MODEL_FILE, ""
    try:
        _write_onnx(trained, data.schema, path)
        exported = _sign(path, data.schema)
        _compare(trained, exported, data)
    except ExportError:
        raise
    except Exception as error:  # each exporter has errors of its own
        from .fallback import write_pyfunc  # MLflow: only where it is needed

        works = isinstance(error, ModelError)  # there is a file, and it is not right
        problem = f" that works: {error}" if works else f": {summary(error)}"
        reason = f"{trained.name} has no ONNX form{problem.replace(f'{path}: ', '')[:300]}"
        path.unlink(missing_ok=True)
        write_pyfunc(trained, directory / PYFUNC_FOLDER, package)
        try:
            exported = _sign(directory / PYFUNC_FOLDER, data.schema)
            _compare(trained, exported, data)
        except ModelError as failure:
            raise ExportError(f"{reason}; as a pickle, too: {failure}") from failure
    if saved_model := optional("saved_model"):
        saved_model.write(model, exported, data, directory)
    _write_example(exported, data, directory)
    return reason


def _output(schema: Schema) -> Tensor:
    """What the model gives, under a name that no feature has."""
    name = "probabilities" if schema.classes else "prediction"
    while name in schema.features:
        name += "_"
    return Tensor(name, "float32", (len(schema.classes),) if schema.classes else ())


def _write_onnx(trained: Native, schema: Schema, path: Path) -> None:
    import onnx

    from .graph import finish

    output = _output(schema)
    onnx.save(finish(trained.to_onnx(), schema.features, output.name, output.shape), path)


def _sign(path: Path, schema: Schema) -> Model:
    """Write the signature of the model that lies there, and load it."""
    inputs = (
        Tensor(name, feature.dtype, feature.shape, feature.nullable)
        for name, feature in schema.features.items()
    )
    Signature(
        task=schema.task,
        inputs=tuple(inputs),
        output=_output(schema),
        classes=schema.classes,
        sha256=digest(path),
        format="onnx" if path.name == MODEL_FILE else "pyfunc",
    ).write(path.parent / SIGNATURE_FILE)
    return Model(path.parent)


def _compare(trained: Native, exported: Model, data: Dataset) -> None:
    """Compare the two on every row of `data`. Raises `ModelError` where they differ."""
    wrong, furthest = 0, 0.0
    for features, _ in data.batches():
        expected = _predict(trained, features, exported.signature.output.shape)
        difference = np.abs(expected - exported.predict(features)).reshape(len(expected), -1)
        allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
        apart = ~(difference <= allowed).all(axis=1)  # a NaN is apart, too
        wrong += int(apart.sum())
        furthest = float(difference[apart].max(initial=furthest))
    if wrong:
        raise ModelError(
            f"it predicts something else on {wrong:,} of {data.schema.rows:,} validation rows, by "
            f"up to {furthest:.2g}; {TOLERANCE:g} of the largest number is allowed"
        )


def _predict(trained: Native, features: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What the trained model predicts: finite, and of that shape for a row."""
    subject = f"train_model in train.py: the {trained.name}"
    try:
        predicted = trained.predict(features)
    except Exception as error:  # it runs anybody's code
        raise ExportError(f"{subject} cannot predict validation rows: {summary(error)}") from error
    if predicted.shape != (len(predicted), *shape):
        expected = "one probability for each class" if shape else "one number"
        raise ExportError(
            f"{subject} gives {list(predicted.shape[1:])} numbers a row; expected {expected}, "
            f"{list(shape)}"
        )
    if not np.isfinite(predicted).all():
        raise ExportError(f"{subject} predicts numbers that are not finite for validation rows")
    return predicted


def _write_example(exported: Model, data: Dataset, directory: Path) -> None:
    """Keep the first row as a request with its answer: for warming up, for clients, for tests."""
    features, _ = next(data.batches())
    inputs = {name: values[:1] for name, values in features.items()}
    row = as_instance({name: values[0] for name, values in inputs.items()}, data.schema.features)
    example = {"instances": [row], "predictions": exported.predict(inputs).tolist()}
    (directory / EXAMPLE_FILE).write_text(json.dumps(example, allow_nan=False) + "\n")
