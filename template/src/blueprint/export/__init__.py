"""A trained model to the exported form that everything after training uses.

The form is a directory with `signature.json` and `model.onnx`, or the folder `pyfunc/` for a model
that has no ONNX form. What is written is proven: it must give the native model's own predictions,
or the step fails.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset, Schema, as_instance
from ..model import (
    EXAMPLE_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    Model,
    ModelError,
    Signature,
    Tensor,
    digest,
)
from . import family
from .errors import ExportError
from .extra import write_extra
from .family import library

PYFUNC = "pyfunc"

__all__ = ["ExportError", "export_model", "library"]

# float32 arithmetic differs by about 1e-6 between runtimes; a real fault is orders larger. Of a
# probability, or of the largest number that a regression predicts.
TOLERANCE = 1e-4


class NoAgreementError(Exception):
    """An exported model predicts something else than the trained one."""


def export_model(model: Any, data: Dataset, directory: Path) -> str:
    """Write `model` to `directory`, and return why it is no ONNX file ("" when it is).

    `model` is what `train_model` returned: docs/your-own-model.md says what that may be. `data`
    gives the names and types of the input, the classes, and the rows that the export is checked on.
    Raises `ExportError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    native = family.native(model, data.schema)
    output = _output(data.schema)
    reason = ""
    try:
        native.write_onnx(directory / MODEL_FILE, output.name)
        exported = _sign(directory, data.schema, output, MODEL_FILE)
        _check(native, exported, data)
    except ExportError:
        raise
    except Exception as error:  # each exporter has errors of its own
        from .pyfunc import write_pyfunc  # MLflow: only where it is needed

        text = _reason(error).replace(f"{directory / MODEL_FILE}: ", "")
        reason = f"{native.name} has no ONNX form{text[:300]}"
        (directory / MODEL_FILE).unlink(missing_ok=True)
        write_pyfunc(native, directory / PYFUNC)
        exported = _sign(directory, data.schema, output, PYFUNC)
        try:
            _check(native, exported, data)
        except (ModelError, NoAgreementError) as failure:
            raise ExportError(f"{reason}; as a pickle, too: {failure}") from failure
    write_extra(native, exported, data, directory)
    _write_example(exported, data, directory)
    return reason


def _output(schema: Schema) -> Tensor:
    """What the model gives, under a name that no feature has."""
    name = "probabilities" if schema.classes else "prediction"
    while name in schema.features:
        name += "_"
    return Tensor(name, "float32", (len(schema.classes),) if schema.classes else ())


def _sign(directory: Path, schema: Schema, output: Tensor, file: str) -> Model:
    """Write the signature of what is in the directory, and load it."""
    inputs = [
        Tensor(name, feature.dtype, feature.shape, feature.nullable)
        for name, feature in schema.features.items()
    ]
    Signature(
        task=schema.task,
        inputs=tuple(inputs),
        output=output,
        classes=schema.classes,
        sha256=digest(directory / file),
        format="pyfunc" if file == PYFUNC else "onnx",
    ).write(directory / SIGNATURE_FILE)
    return Model(directory)


def _check(native: family.Native, exported: Model, data: Dataset) -> None:
    """Compare the two on every row of `data`. Raises `NoAgreementError`."""
    rows, wrong, furthest, tolerated = 0, 0, 0.0, 0.0
    for features, _ in data.batches():
        expected = _predict(native, features, exported.signature.output.shape)
        difference = np.abs(expected - exported.predict(features)).reshape(len(expected), -1)
        allowed = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0)))
        apart = ~(difference <= allowed).all(axis=1)  # a NaN is apart, too
        rows, wrong = rows + len(apart), wrong + int(apart.sum())
        if apart.any():
            furthest, tolerated = max(furthest, float(difference.max())), max(tolerated, allowed)
    if wrong:
        raise NoAgreementError(
            f"it predicts something else on {wrong:,} of {rows:,} validation rows, by up to "
            f"{furthest:.2g}; at most {tolerated:.2g} is allowed"
        )


def _predict(native: family.Native, features: family.Features, each: tuple[int, ...]) -> np.ndarray:
    """What the trained model predicts: finite, and of the shape `each` for a row."""
    where = f"train_model in steps/train.py: the {native.name}"
    try:
        predicted = native.predict(features)
    except Exception as error:  # it runs anybody's code
        raise ExportError(f"{where} cannot predict validation rows: {_summary(error)}") from error
    if predicted.shape != (len(predicted), *each):
        wanted = "one probability for each class" if each else "one number"
        raise ExportError(
            f"{where} gives {list(predicted.shape[1:])} numbers a row; expected {wanted}, "
            f"{list(each)}"
        )
    if not np.isfinite(predicted).all():
        raise ExportError(f"{where} predicts numbers that are not finite for validation rows")
    return predicted


def _write_example(exported: Model, data: Dataset, directory: Path) -> None:
    """Keep the first row as a request with its answer: for warming up, for clients, for tests."""
    for features, _ in data.batches():
        inputs = {name: values[:1] for name, values in features.items()}
        row = as_instance(
            {name: values[0] for name, values in inputs.items()}, data.schema.features
        )
        example = {"instances": [row], "predictions": exported.predict(inputs).tolist()}
        (directory / EXAMPLE_FILE).write_text(json.dumps(example, allow_nan=False) + "\n")
        return


def _reason(error: Exception) -> str:
    if isinstance(error, ModelError | NoAgreementError):
        return f" that works: {error}"
    return f": {_summary(error)}"


def _summary(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {text}"[:200]
