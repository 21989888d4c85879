"""PyTorch's wheels on a machine that does not reach PyTorch's index.

A generated project takes PyTorch from an index named `pytorch` in its pyproject.toml. Where
PIP_FIND_LINKS names a folder that holds a wheel of it, as pip there knows, the folder is offered
to uv as that index; elsewhere nothing changes.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote


@cache
def pytorch_index() -> str:
    """The value of UV_INDEX that makes uv find the wheels, or ""."""
    folder = Path(os.environ.get("PIP_FIND_LINKS") or ".")
    wheels = sorted(folder.glob("torch-*.whl")) if folder.is_absolute() else []
    if not wheels:
        return ""
    index = Path(tempfile.mkdtemp(prefix="pytorch-index-"))
    atexit.register(shutil.rmtree, index, ignore_errors=True)
    page = index / "torch" / "index.html"
    page.parent.mkdir()
    links = [f'<a href="{wheel.as_uri()}">{quote(wheel.name)}</a>' for wheel in wheels]
    page.write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>\n")
    return f"pytorch={index.as_uri()}"
