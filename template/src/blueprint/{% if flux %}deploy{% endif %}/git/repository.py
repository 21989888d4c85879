"""The folder deploy/released/<env> in the repository: what it has at a commit, how it changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...errors import UserError
from ..pin import Pin
from .hosts import Change, Host, Moved, Review, host
from .release import FILE, pinned
from .settings import TOKEN, Gitops, token

TRIES = 5  # commits, where others commit to the same branch at the same time
LATELY = 5  # commits among which the one is that brought a version
Wanted = Callable[[str | None], Mapping[str, str]]


@dataclass(frozen=True)
class Changed:
    """What became of a change: the commit that has it, None where there was nothing to change, and
    the request by which it comes to the branch that Flux follows, None for a commit to that."""

    commit: str | None
    review: Review | None = None


class Repository:
    """The released folder of one environment. Every method raises UserError."""

    def __init__(self, gitops: Gitops, git: Host | None = None) -> None:
        self.gitops, self.git = gitops, git or host(gitops, token())
        assert gitops.path, "Gitops.resolved gives it"
        self.folder, self.environment = gitops.path, gitops.path.rpartition("/")[2]
        self._texts: dict[str, str | None] = {}

    def head(self) -> str:
        """The commit of the branch that Flux follows."""
        found = self.git.head(self.gitops.branch)
        if found is None:
            where = f"{self.gitops.repository} (gitops.repository)"
            raise UserError(f"{where} has no branch {self.gitops.branch} (gitops.branch)")
        return found

    def text(self, commit: str) -> str | None:
        """The released kustomization at a commit."""
        if commit not in self._texts:
            self._texts[commit] = self.git.read(f"{self.folder}/{FILE}", commit)
        return self._texts[commit]

    def pin(self, commit: str) -> Pin | None:
        """The version that it pins at a commit."""
        return pinned(self.text(commit))

    def brought(self, pin: Pin) -> str | None:
        """The newest commit of the branch that asks for a version, among the last few that have
        changed the kustomization: others may have followed, such as the one that took it back."""
        history = self.git.history(f"{self.folder}/{FILE}", self.gitops.branch, LATELY)
        return next((commit for commit in history if self.pin(commit) == pin), None)

    def change(self, wanted: Wanted, title: str, text: str, branch: str | None = None) -> Changed:
        """Bring files into the folder: by a request to merge `branch`, else by a commit.

        `wanted(now)` gives their texts by name, from that of the kustomization as it is. `title` is
        the commit's and the request's; `text`, Markdown, says more in the request, or else in the
        commit. Asked again, it changes nothing more.
        """
        for _ in range(TRIES):
            base = self.head()
            files = {f"{self.folder}/{name}": new for name, new in wanted(self.text(base)).items()}
            if all(self.git.read(path, base) == new for path, new in files.items()):
                return Changed(None)
            if branch:
                return self._request(Change(files, title), base, branch, text)
            try:
                change = Change(files, f"{title}\n\n{text}".strip())
                return Changed(self.git.commit(change, self.gitops.branch, base))
            except Moved:
                continue
        raise UserError(
            f"others commit to {self.gitops.branch} all the time: {TRIES} commits came too late"
        )

    def _request(self, change: Change, base: str, branch: str, text: str) -> Changed:
        """Ask for it by a request; of several who ask at the same time, the last commit counts."""
        for _ in range(TRIES):
            review = self.git.review(branch, self.gitops.branch)
            there = self.git.head(branch) if review and review.state == "open" else None
            if not (there and self._has(there, change) and self._is_upon_base(branch, change)):
                there = self.git.commit(change, branch, base, replace=True)
            if not self._still(there, branch, change):  # before its text is written on theirs
                raise self._beaten(branch, review)
            opened = self.git.open(branch, self.gitops.branch, change.message, text)
            if self._still(there, branch, change):
                return Changed(there, opened)
        raise self._beaten(branch, review)

    def _has(self, commit: str, change: Change) -> bool:
        return all(self.git.read(path, commit) == new for path, new in change.files.items())

    def _is_upon_base(self, branch: str, change: Change) -> bool:
        """Whether a branch begins where the base's last change of the files is: else it cannot be
        merged, or brings back what somebody has taken out of the base."""
        for path in change.files:
            last = self.git.history(path, self.gitops.branch, 1)
            if not {*last} <= {*self.git.history(path, branch, 2)}:
                return False
        return True

    def _still(self, commit: str, branch: str, change: Change) -> bool:
        """Whether a branch has the change, be it by somebody else's commit; one that is gone was
        merged at once."""
        at = self.git.head(branch)
        return at in (None, commit) or self._has(str(at), change)

    def _beaten(self, branch: str, review: Review | None) -> UserError:
        at = self.git.head(branch)
        pin = self.pin(at) if at else None
        where = f"{self.gitops.repository}, branch {branch}" if review is None else review.url
        return UserError(
            f"somebody else proposes {pin or 'another version'} for {self.environment} at the same "
            f"time ({where}): `make promote` again puts this one in its place"
        )


def check(gitops: Gitops) -> str:
    """A row of `make doctor`: does the repository answer, and what does it ask for?"""
    if token() is None and gitops.provider != "git":
        raise UserError(f"{TOKEN} is not set: it logs in to {gitops.repository}")
    repository = Repository(gitops)
    pin = repository.pin(repository.head())
    return f"{gitops.repository} asks for {pin or 'no version yet: `make promote`'}"
