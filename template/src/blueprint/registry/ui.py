"""`make ui`: MLflow's pages on the project's database, or the address of those of its server."""

import os
import shutil
import signal
import subprocess
import sys
import webbrowser
from contextlib import suppress
from importlib.metadata import version

from ..settings import with_login

PAGE = "#/experiments?workflowType=machine_learning"  # or MLflow opens on its GenAI pages


def show(tracking_uri: str, port: int) -> None:
    """Serve the pages until Ctrl-C. Those of a tracking server are there already: open them."""
    if tracking_uri.startswith("http"):
        address = f"{tracking_uri.rstrip('/')}/{PAGE}"
        print(f"MLflow is on {address}")
        if sys.stdout.isatty():
            webbrowser.open(address)
        return
    print(f"MLflow on http://127.0.0.1:{port}/{PAGE} (Ctrl-C stops it)", flush=True)
    # The pages need all of MLflow, 300 MB, which uv keeps beside .venv after the first time.
    uv = os.environ.get("UV") or shutil.which("uv") or ".tools/bin/uv"
    command = [uv, "run", "--no-sync", "--with", f"mlflow=={version('mlflow-skinny')}"]
    command += ["python", "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    # Not as an argument, which everybody on this machine can read.
    store = {"MLFLOW_BACKEND_STORE_URI": with_login(tracking_uri, "registry", "tracking_uri")}
    # What runs jobs are seven processes of 240 MB; these pages start none.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # Ctrl-C comes to this process alone: each of MLflow's would print a traceback.
    server = subprocess.Popen(command, env=quiet | os.environ | store, start_new_session=True)
    # SIGINT, too: Polars, once imported, has it restart the wait below in place of ending it.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        raise SystemExit(server.wait())
    except KeyboardInterrupt:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
