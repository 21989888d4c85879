"""The project's own server, called as `make serve` calls it: PACKAGE STORE PORT."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    package, store, port = sys.argv[1:]
    server = importlib.import_module(f"{package}.serving.server")
    serving = importlib.import_module(f"{package}.serving.settings").Serving
    server.run(serving(store=Path(store), port=int(port)), "digits")
