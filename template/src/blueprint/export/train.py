"""The step train_model: the owner's function with checked arguments, the export, and the record."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

from .. import rooms
from ..data.dataset import Dataset
from ..errors import UserError
from .export import export_model
from .native import library
from .record import Training


def train_and_export(
    train_model: Callable[..., Any],
    train: str | Path,
    validation: str | Path,
    parameters: dict[str, Any],
    directory: str | Path,
) -> Training:
    """Call `train_model` on two data sets, export its model to `directory`, and keep the record.

    Raises `UserError` for a parameter that `train_model` does not take or of another type.
    """
    data, held_out = Dataset(train), Dataset(validation)
    # KFP hands every number over as a float; the annotations say which are integers.
    checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(train_model)
    try:
        result = checked(data, held_out, **parameters)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"train_model in train.py: {'; '.join(problems)}") from None
    if not isinstance(result, tuple) or len(result) != 2:
        raise UserError(
            f"train_model in train.py returned a {type(result).__name__}; expected the model and "
            "its learning curves, which may be {}"
        )
    model, curves = result
    package, schema = train_model.__module__.partition(".")[0], data.schema
    reason = export_model(model, held_out, Path(directory), package)
    training = Training(
        parameters=dict(sorted(parameters.items())),  # KFP hands them over in any order
        curves={name: [float(value) for value in values] for name, values in curves.items()},
        data={"source": schema.source, "hash": schema.content_hash, "rows": str(schema.rows)},
        python=platform.python_version(),
        fallback_reason=reason,
        framework=library(model),
    )
    training.write(directory)
    for room in rooms("reference_rows"):
        room.write(Path(directory), data, held_out)
    return training
