"""Where the repository is: GitHub, GitLab, or any host that the program git reaches."""

import re
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from ...errors import UserError
from .changes import Change, Moved, Review
from .github import GitHub
from .gitlab import GitLab
from .remote import Remote
from .settings import TOKEN, Gitops

__all__ = ["Change", "Host", "Moved", "Review", "host"]


class Host(Protocol):
    """A repository on its host. Every method raises UserError: one line that says what to do.

    Whatever fails, each branch is as it was or as it was asked for; everything may be asked again.
    """

    def head(self, branch: str) -> str | None:
        """The commit that a branch is at; None: there is no such branch."""

    def read(self, path: str, commit: str) -> str | None:
        """A file's text at a commit; None: it is not there."""

    def history(self, path: str, branch: str, number: int) -> Sequence[str]:
        """The commits of a branch that changed a file, at most `number`, newest first."""

    def commit(self, change: Change, branch: str, onto: str, *, replace: bool = False) -> str:
        """One commit of the change upon the commit `onto`, as the new head of `branch`; its SHA.

        A branch that is not there is created. Without `replace` it must be at `onto`, else Moved is
        raised. With it, whatever the branch had is replaced in one step: the branch is never
        without a commit of its own, so that a review of it stays open.
        """

    def review(self, branch: str, base: str) -> Review | None:
        """The newest review that would merge `branch` into `base`, an open one before others."""

    def open(self, branch: str, base: str, title: str, text: str) -> Review:
        """Open a review, or give the open one this title and text."""

    def comment(self, review: Review, text: str) -> None:
        """Say something on a review, whatever its state."""

    def of_commit(self, commit: str) -> Review | None:
        """The merged review that brought a commit into the branch that Flux follows."""


def host(gitops: Gitops, token: str | None) -> Host:
    """The host that the configuration names. Raises UserError; it is not asked anything yet."""
    if token and not re.fullmatch("[!-~]+", token):  # the libraries would quote it in their errors
        raise UserError(f"{TOKEN} is no token: there are blanks or line breaks in it")
    if gitops.provider == "git":
        return Remote(gitops.repository, gitops.branch, token)
    url = urlsplit(gitops.repository)
    path = url.path.strip("/").removesuffix(".git")
    if not url.hostname or "/" not in path:
        raise UserError(
            f"gitops.repository is {gitops.repository}: expected https://HOST/OWNER/PROJECT.git"
        )
    if gitops.provider == "github":
        return GitHub(gitops.api or _github(gitops.repository), token, path, gitops.branch)
    url_of_api = gitops.api or f"{_website(gitops.repository)}/api/v4"
    return GitLab(url_of_api, token, path, gitops.branch)


def _github(repository: str) -> str:
    """The API of github.com, of a company's tenant of it, or of a GitHub Enterprise Server."""
    name = urlsplit(repository).hostname or ""
    if name == "github.com" or name.endswith(".ghe.com"):
        return f"https://api.{name}"
    return f"{_website(repository)}/api/v3"


def _website(repository: str) -> str:
    """Scheme and host of the website: an SSH address has another port and a user."""
    url = urlsplit(repository)
    return f"https://{url.hostname}" if url.scheme == "ssh" else f"{url.scheme}://{url.netloc}"
