"""A server in a container of Vertex AI: what its variables AIP_… say, and the model it fetches.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

import os
from typing import Any

from ...errors import UserError
from ..settings import Serving

# What `make deploy` gives to the container beside Vertex AI's own variables.
VERSION, SHA256, LIMIT = "MODEL_VERSION", "MODEL_SHA256", "MODEL_REQUEST_MB"
# Where a version says that it answers: the same paths as everywhere.
PORT, PREDICT, HEALTH = 8080, "/v1/models/{}:predict", "/v1/models/{}"
MEGABYTES = 1.5  # of a request to a shared endpoint, which Vertex AI itself rejects above that


def variable(name: str) -> str:
    """What Vertex AI says, "" elsewhere: `HTTP_PORT`, `HEALTH_ROUTE`, `PREDICT_ROUTE` …"""
    return os.environ.get(f"AIP_{name}", "").strip()


def prepare(serving: Serving, name: str) -> Serving:
    """The section as Vertex AI has it: its port, its limit of a request, and the model it names,
    fetched; elsewhere the same. Raises UserError."""
    if not (port := variable("HTTP_PORT")):
        return serving
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise UserError(f"AIP_HTTP_PORT={port!r}: expected a number from 1 to 65535")
    limit = float(os.environ.get(LIMIT) or MEGABYTES)
    changes: dict[str, Any] = {
        "port": int(port),
        "max_body_mb": min(serving.max_body_mb, limit),
    }
    if uri := variable("STORAGE_URI"):
        from .fetching import fetch

        changes["store"] = fetch(uri, name)
    return serving.model_copy(update=changes)
