"""The section `gitops`: the repository that says what runs on the cluster, and Flux's objects."""

import os
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...settings import Section
from ..settings import Name, selected

TOKEN = "GIT_TOKEN"  # what logs in: read when it is used, and never part of the settings
RELEASED = "deploy/released"
Branch = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")]


class Gitops(Section):
    """The repository that Flux follows, and how a version gets into it. See docs/gitops.md.

    With `review`, a version is proposed by a pull request, else committed to `branch`. `path` is
    the folder that Flux applies, by default deploy/released/<ENV>. `api` is that of a GitHub or
    GitLab of one's own. `source` and `kustomization` are Flux's objects in `namespace`. A version
    that is not there after `timeout_seconds` is taken back.
    """

    provider: Literal["github", "gitlab", "git"]
    repository: Annotated[str, Field(pattern="^(https?|ssh|file)://")]
    branch: Branch = "main"
    path: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")] | None = None
    api: Annotated[str, Field(pattern="^https?://")] | None = None
    review: bool = True
    namespace: Name = "flux-system"
    source: Name = "flux-system"
    kustomization: Name = "app"
    timeout_seconds: Annotated[float, Field(gt=0)] = 600

    @model_validator(mode="after")
    def fit_provider(self) -> "Gitops":
        if self.provider == "git" and self.review:
            raise ValueError("provider: git knows no pull requests: review: false")
        return self

    def resolved(self, settings: Any) -> "Gitops":
        """With the folder of this configuration."""
        return self.model_copy(update={"path": self.path or f"{RELEASED}/{selected()}"})


def token() -> str | None:
    """The token as it is now, from $GIT_TOKEN; None where there is none."""
    return os.environ.get(TOKEN, "").strip() or None


SECTIONS = {"gitops": (Gitops | None, None)}
LOGINS = {"gitops": f"set {TOKEN} in the environment"}
