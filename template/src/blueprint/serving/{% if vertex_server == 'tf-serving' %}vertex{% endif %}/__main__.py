"""`python -m blueprint.serving.vertex`: what the serving image runs, on Vertex AI and elsewhere."""

import os

from ... import settings
from ...errors import UserError, end
from ...registry import settings as registry
from .. import settings as serving
from . import HEALTH, PREDICT, prepare, variable

SERVE = "/etc/tf-serving/serve.sh"  # it follows a store


def main() -> None:
    """Fetch the model that Vertex AI names, and become the program that serves it."""
    loaded = settings.load(known_sections=registry.SECTIONS | serving.SECTIONS)
    name = loaded.registry.name
    for key, path in {"PREDICT_ROUTE": PREDICT, "HEALTH_ROUTE": HEALTH}.items():
        if (given := variable(key)) and given != path.format(name):
            raise UserError(f"AIP_{key}={given}: TensorFlow Serving has {path.format(name)} alone")
    ready = prepare(loaded.serving, name)
    variables = {"PORT": str(ready.port), "MODELS": str(ready.folder()), "MODEL_NAME": name}
    os.execve(SERVE, [SERVE], os.environ | variables)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        end(error)
