"""`python -m vertex.service` in tests/blueprint: the service on a port, until it is stopped."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from vertex.service.gcs import PACKAGE, program, running, variables
from vertex.service.server import Code, Service


def main() -> None:
    parser = argparse.ArgumentParser(description="Vertex AI and Cloud Storage on loopback.")
    parser.add_argument("--port", type=int, default=8085, help="of the service; the next two, too")
    parser.add_argument("--project", type=Path, help="the folder whose steps and servers run here")
    parser.add_argument("--bucket", default="digits-staging", help="a bucket to begin with")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    python = ["uv", "run", "--quiet", "--no-project", "--with", PACKAGE[0], "python"]
    with running(program(python), given.port + 2) as store, tempfile.TemporaryDirectory() as folder:
        code = Code(given.project.resolve()) if given.project else None
        with Service(Path(folder), code=code, gcs=store, port=given.port) as service:
            found = variables(service.url)
            os.environ |= found
            service.ground.make_bucket(given.bucket)
            print(f"vertex.api_endpoint={service.url}")
            for name, value in found.items():
                print(f"export {name}='{value}'", flush=True)
            signal.pause()


if __name__ == "__main__":
    main()
