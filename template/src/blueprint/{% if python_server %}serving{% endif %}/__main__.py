"""`python -m <package>.serving`: what the serving image runs; it needs no command-line library."""

import sys

from .. import settings
from ..errors import UserError
from ..registry import settings as registry
from . import settings as serving
from .server import run

if __name__ == "__main__":  # workers import this module again
    try:
        loaded = settings.load(known_sections=registry.SECTIONS | serving.SECTIONS)
        run(loaded.serving, loaded.registry.name, wait=True)  # not ready until there is a model
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise SystemExit(1) from None
