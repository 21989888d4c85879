"""What serves the model on the cluster, behind one interface: a Deployment, or KServe.

The answer `serving_platform` brings the one module: `kubernetes.py` or `kserve.py`, whose function
`platform(cluster)` makes it. The commands know nothing else of it.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from .connection import Cluster, Object
from .pin import Pin


class Platform(Protocol):
    """The object that is pinned to a version, and how to read and change it.

    `path` is its address in the API; `version`, `kind` and `name` are what manifests say. `live` is
    always that object as `Cluster.get(path)` gives it.
    """

    @property
    def cluster(self) -> Cluster: ...
    @property
    def version(self) -> str:  # of its API: "apps/v1"
        ...

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...

    def check(self) -> None:
        """Raise UserError where the cluster cannot serve this at all: missing CRDs, a foreign
        object of this name."""
        ...

    def pin(self, live: Object | None) -> Pin | None:
        """The version that it is to serve, None before the first one."""
        ...

    def change(self, given: Object, pin: Pin | None) -> list[Object]:
        """What pins it to a version, as a JSON patch (RFC 6902) of the object `given`: a live one,
        or the overlay's. None is no version, as deploy/base has it."""
        ...

    def restore(self, before: Object) -> None:
        """Have it be what it was in `before`: a failed deployment is taken back."""
        ...

    def deployment(self, live: Object) -> str | None:
        """The name of the Deployment whose pods serve the stable version; None if not yet known."""
        ...

    def service(self, live: Object) -> str:
        """The Service through which they answer, with its port: "digits:http"."""
        ...

    def problem(self, live: Object) -> str:
        """What its controller says is wrong, in words, "" for nothing."""
        ...

    def address(self, live: Object) -> str:
        """Where its clients reach it."""
        ...


def platform(cluster: Cluster) -> Platform:
    """What this project's model is served by."""
    name = next(each for each in ("kserve", "kubernetes") if find_spec(f".{each}", __package__))
    made: Platform = import_module(f".{name}", __package__).platform(cluster)
    return made
