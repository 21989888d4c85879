"""What is changed in a repository, and who has to approve it: the words that all hosts share."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import UserError

SHORT = 12  # characters of a commit


class Moved(UserError):
    """A branch that is elsewhere by now: read it again, and commit upon what it has."""


@dataclass(frozen=True)
class Change:
    """A commit: the new texts of files by their paths in the repository, and the message."""

    files: Mapping[str, str]
    message: str


@dataclass(frozen=True)
class Review:
    """A pull request (GitHub) or merge request (GitLab): the `branch` that it would merge, and its
    `state`: "open", "merged" or "closed"."""

    number: str
    url: str
    branch: str
    state: str


def moved(branch: str, onto: str, why: str) -> Moved:
    """That a commit upon `onto` came too late."""
    return Moved(f"{branch} is no longer at {onto[:SHORT]} ({why}): somebody was faster, try again")


def protected(branch: str, base: str, words: str) -> UserError:
    """That the host lets nobody, or not this token, commit to a branch."""
    if branch == base:
        remedy = "gitops.review: true has people approve it, or let this token push to it"
    else:
        remedy = "let this token create, replace and delete it"
    return UserError(f"{branch} is protected ({words}): {remedy}")
