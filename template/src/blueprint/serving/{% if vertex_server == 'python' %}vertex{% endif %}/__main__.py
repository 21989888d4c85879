"""`python -m blueprint.serving.vertex`: what the serving image runs, on Vertex AI and elsewhere."""

from ... import settings
from ...errors import UserError, end
from ...registry import settings as registry
from .. import settings as serving
from ..server import run
from . import prepare

if __name__ == "__main__":  # workers import this module again
    try:
        loaded = settings.load(known_sections=registry.SECTIONS | serving.SECTIONS)
        name = loaded.registry.name
        run(prepare(loaded.serving, name), name, wait=True)  # not ready until there is a model
    except UserError as error:
        end(error)
