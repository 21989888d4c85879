"""The section `kubeflow`: the installation, how one logs in, and where runs go."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...settings import Section
from .pods import Name, Pipeline

# What logs in to Kubeflow: read when it is used, and never part of the settings.
KUBEFLOW_TOKEN, KUBEFLOW_COOKIE = "KUBEFLOW_TOKEN", "KUBEFLOW_COOKIE"


IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")


class Kubeflow(Section):
    """A Kubeflow Pipelines installation: its address, how one logs in, and where runs go.

    `endpoint` is that of the API; `ui` that of the pages, where it is another. `namespace` is the
    profile's in an installation for many users, else unset. See docs/kubeflow.md.
    """

    endpoint: Annotated[str, Field(pattern="^https?://")] | None = None
    ui: Annotated[str, Field(pattern="^https?://")] | None = None
    namespace: Name | None = None
    experiment: str | None = None
    auth: Literal["none", "token", "in-cluster", "cookie", "iap"] = "none"
    token_file: Path | None = None
    client_id: str | None = None
    ca: Path | None = None
    pipeline_root: str | None = None
    service_account: Name | None = None
    poll_seconds: Annotated[float, Field(gt=0)] = 3
    timeout_seconds: Annotated[float, Field(gt=0)] = 30

    @model_validator(mode="after")
    def fit_login(self) -> "Kubeflow":
        if self.token_file and self.auth not in ("token", "in-cluster"):
            raise ValueError("token_file, but auth is not token")
        if (self.auth == "iap") != bool(self.client_id):
            raise ValueError("auth: iap and client_id go together")
        return self

    def token(self) -> str:
        """The token as it is now, "" where there is none: from its file, or $KUBEFLOW_TOKEN."""
        file = self.token_file or (IN_CLUSTER_TOKEN if self.auth == "in-cluster" else None)
        if file is None:
            return os.environ.get(KUBEFLOW_TOKEN, "").strip()
        try:
            return file.expanduser().read_text().strip()
        except OSError:
            return ""

    def cookie(self) -> str:
        """The cookie of a browser's session, from $KUBEFLOW_COOKIE, "" where there is none."""
        return os.environ.get(KUBEFLOW_COOKIE, "").strip() if self.auth == "cookie" else ""


SECTIONS = {"kubeflow": (Kubeflow | None, None), "pipeline": (Pipeline, Pipeline())}
LOGINS = {
    "kubeflow.pipeline_root": "Kubeflow takes it from its ConfigMap kfp-launcher",
    "kubeflow": "set KUBEFLOW_TOKEN or KUBEFLOW_COOKIE in the environment",
    "pipeline": "name a Secret in pipeline.every.secrets",
}
