"""The section `serving`: what answers requests."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ..settings import Section, SettingsError


def _batching(value: Any) -> Any:
    """The section as the folder `batching` declares it, in a project that has that."""
    if value is None:
        return None
    try:
        batching = import_module(f"{__package__}.batching")
    except ModuleNotFoundError:
        raise ValueError(
            'this server does not batch requests: `make upgrade ARGS="serving_extras=batching"` '
            "brings that (where platform is not local)"
        ) from None
    return batching.Batching.model_validate(value)


class Serving(Section):
    """What answers requests, and the folder it reads models from. See docs/serving.md.

    `threads` is how many cores one prediction uses; by default one, or all if the model is slow.
    A request may take `timeout_seconds` and have `max_body_mb` and `max_rows`. A worker has at most
    `max_waiting` predictions under way, `max_bodies_mb` of large requests in memory, and
    `max_connections`, of which one that is idle lives `keep_alive_seconds`. Without a `store`, a
    deployment is the champion's alias alone.
    """

    store: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] | None = None
    max_body_mb: Annotated[float, Field(gt=0)] = 16
    timeout_seconds: Annotated[float, Field(gt=0)] = 30
    max_waiting: Annotated[int, Field(ge=1)] = 64
    max_rows: Annotated[int, Field(ge=1)] = 100_000
    max_bodies_mb: Annotated[float, Field(gt=0)] = 64
    max_connections: Annotated[int, Field(ge=1)] = 1000
    keep_alive_seconds: Annotated[int, Field(ge=1)] = 75  # proxies keep theirs for 60
    poll_seconds: Annotated[float, Field(gt=0)] = 0.5  # until a deployment is seen
    batching: Annotated[Any, BeforeValidator(_batching)] = None
    log_requests: bool = False

    def folder(self) -> Path:
        """The store, for what cannot do without one."""
        if self.store is None:
            raise SettingsError("serving.store is not set: it names the folder to read models from")
        return self.store


SECTIONS = {"serving": (Serving, Serving())}
