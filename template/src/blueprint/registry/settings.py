"""The section `registry`: where runs and versions are kept."""

from typing import Annotated

from pydantic import Field

from ..settings import ENV_PREFIX, Section


class Registry(Section):
    """The model's name, and the MLflow tracking server; on a laptop a SQLite file and a folder."""

    tracking_uri: Annotated[str, Field(min_length=1)]
    artifact_location: str | None = None
    name: str


SECTIONS = {"registry": (Registry, ...)}
FROM_ENVIRONMENT = ("registry.tracking_uri",)
LOGINS = {
    "registry.tracking_uri": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the "
    f"environment, or for a database the whole URL as {ENV_PREFIX}REGISTRY__TRACKING_URI",
}
