"""`deploy_model` on Vertex AI: the endpoint serves the version, and is followed till it answers.

The step's service account may do that: `make doctor` names the roles it lacks. On this machine
(`make run ENV=staging`) one's own login does the same.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..targets.vertex.settings import Vertex
from .deployment import serve
from .endpoint import Endpoint, Say
from .settings import Deploy
from .versions import resolve

if TYPE_CHECKING:
    from ..registry.client import Registry


def deploy(
    section: Mapping[str, Any],
    vertex: Mapping[str, Any],
    registry: "Registry",
    version: str,
    say: Say,
) -> str:
    """Serve that version of the registry's model; return what was done, in words.

    `section` and `vertex` are those sections of the configuration. Raises UserError; the version
    before it goes on serving.
    """
    endpoint = Endpoint(Deploy.model_validate(section), Vertex.model_validate(vertex))
    endpoint.ensure(say)
    return serve(endpoint, registry, resolve(registry, version), say)
