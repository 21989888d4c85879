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
from ..model import EXAMPLE_FILE, MODEL_FILE, SIGNATURE_FILE, Model, Signature, Tensor, digest
from . import family
from .errors import ExportError
from .extra import write_extra
from .family import library

PYFUNC = "pyfunc"

__all__ = ["ExportError", "export_model", "library"]

# float32 arithmetic differs by about 1e-6 between runtimes; a real fault is orders larger. Of a
# probability, or of the largest number that a regression predicts.
TOLERANCE = 1e-4


def export_model(model: Any, data: Dataset, directory: Path) -> str:
    """Write `model` to `directory`, and return why it took the slow road ("" when it did not).

    `model` is what `train_model` returned: docs/your-own-model.md says what that may be. `data`
    gives the names and types of the input, the classes, and the rows that the export is checked on.
    Raises `ExportError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    schema = data.schema
    native = family.native(model, schema)
    reason = ""
    try:
        native.write_onnx(directory / MODEL_FILE)
    except ExportError:
        raise
    except Exception as error:  # each exporter has errors of its own
        from .pyfunc import write_pyfunc  # MLflow: only where it is needed

        reason = f"{native.name} has no ONNX form: {_first_line(error)}"
        (directory / MODEL_FILE).unlink(missing_ok=True)
        write_pyfunc(native, directory / PYFUNC)
    _write_signature(directory, schema, PYFUNC if reason else MODEL_FILE)
    exported = Model(directory)
    _check(native, exported, data)
    write_extra(native, exported, data, directory)
    _write_example(exported, data, directory)
    return reason


def _write_signature(directory: Path, schema: Schema, file: str) -> None:
    inputs = [
        Tensor(name, feature.dtype, feature.shape, feature.nullable)
        for name, feature in schema.features.items()
    ]
    output = (
        Tensor("probabilities", "float32", (len(schema.classes),))
        if schema.classes
        else Tensor("prediction", "float32", ())
    )
    Signature(
        task=schema.task,
        inputs=tuple(inputs),
        output=output,
        classes=schema.classes,
        sha256=digest(directory / file),
        format="pyfunc" if file == PYFUNC else "onnx",
    ).write(directory / SIGNATURE_FILE)


def _check(native: family.Native, exported: Model, data: Dataset) -> None:
    """Compare the two on every row of `data`."""
    for features, _ in data.batches():
        expected = native.predict(features)
        shape = (len(expected), *exported.signature.output.shape)
        if expected.shape != shape:
            wanted = "one probability for each class" if data.schema.classes else "one number"
            raise ExportError(
                f"train_model in steps/train.py: the model gives {list(expected.shape[1:])} "
                f"numbers a row; expected {wanted}, {list(shape[1:])}"
            )
        difference = np.abs(expected - exported.predict(features))
        allowed = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0)))
        if not (difference <= allowed).all():
            raise ExportError(
                f"the exported model differs from the trained one by {difference.max():.2g} on "
                f"{len(expected)} rows; at most {allowed:.2g} is allowed"
            )


def _write_example(exported: Model, data: Dataset, directory: Path) -> None:
    """Keep the first row as a request with its answer: for warming up, for clients, for tests."""
    for features, _ in data.batches():
        inputs = {name: values[:1] for name, values in features.items()}
        row = as_instance(
            {name: values[0] for name, values in inputs.items()}, data.schema.features
        )
        example = {"instances": [row], "predictions": exported.predict(inputs).tolist()}
        (directory / EXAMPLE_FILE).write_text(json.dumps(example) + "\n")
        return


def _first_line(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {text}"[:200]
