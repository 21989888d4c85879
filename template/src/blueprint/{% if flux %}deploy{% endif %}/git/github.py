"""A repository on GitHub, github.com or an Enterprise Server, by its REST API (2022-11-28)."""

import base64
import re
from typing import Any
from urllib.parse import quote

from ...text import shorten
from .changes import SHORT, Change, Moved, Review, moved, protected
from .rest import Api, Rejected

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
RIGHTS = "Contents and Pull requests (read and write) on this repository alone"
TITLE, TEXT = 256, 65_536  # characters that GitHub stores
TRIES = 3  # to replace a branch that others create and delete at the same time
FASTER = re.compile("not a fast.forward|reference (already exists|does not exist)", re.I)
PROTECTED = re.compile(
    "protected branch|through a pull request|rule violation|status check|reference update failed"
    "|cannot (create|update|force.push)",
    re.I,
)


class GitHub:
    """A Host: `repository` is "owner/name", `base` the branch that Flux follows.

    A commit is made of Git's objects; then the branch is moved to it in one request. GitHub moves
    it only forward. A branch that was forced back, between that request and the look before it, to
    a commit that was before `onto` is moved forward as well: GitHub's REST API cannot exclude that.
    """

    def __init__(self, url: str, token: str | None, repository: str, base: str) -> None:
        self.api, self.base = Api(url, token, HEADERS, RIGHTS), base
        self.owner = repository.partition("/")[0]
        self.root = f"/repos/{quote(repository)}"

    def head(self, branch: str) -> str | None:
        """The commit that a branch is at; None: there is no such branch."""
        found = self._get(f"git/ref/heads/{quote(branch)}")
        return str(found["object"]["sha"]) if found else None

    def read(self, path: str, commit: str) -> str | None:
        """A file's text at a commit (up to 1 MB); None: it is not there."""
        found = self._get(f"contents/{quote(path)}", ref=commit)
        if not isinstance(found, dict) or found.get("type") != "file":
            return None
        return base64.b64decode(found["content"]).decode(errors="replace")

    def history(self, path: str, branch: str, number: int) -> list[str]:
        """The commits of a branch that changed a file, at most `number`, newest first."""
        found = self._get("commits", path=path, sha=branch, per_page=number)
        return [str(each["sha"]) for each in found or ()]

    def commit(self, change: Change, branch: str, onto: str, *, replace: bool = False) -> str:
        """One commit upon `onto` as the new head of the branch; its SHA. Raises Moved."""
        at = self.head(branch)
        if not replace and at not in (None, onto):
            raise moved(branch, onto, f"it is at {str(at)[:SHORT]}")
        before = self._get(f"git/commits/{onto}")
        if before is None:
            raise moved(branch, onto, "that commit is gone")
        entries = [
            {"path": path, "mode": "100644", "type": "blob", "content": text}
            for path, text in change.files.items()
        ]
        tree = self._send("POST", "git/trees", base_tree=before["tree"]["sha"], tree=entries)
        made = {"message": change.message, "tree": tree["sha"], "parents": [onto]}
        new = str(self._send("POST", "git/commits", **made)["sha"])
        for left in reversed(range(TRIES)):
            try:
                self._point(branch, at, onto, new, replace)
                break
            except Moved:
                if not replace or not left:
                    raise
            at = self.head(branch)
        return new

    def review(self, branch: str, base: str) -> Review | None:
        """The newest pull request of the branch of this repository, an open one before others."""
        query: dict[str, Any] = {"head": f"{self.owner}:{branch}", "base": base, "per_page": 1}
        for state in ("open", "closed"):
            found = self._get("pulls", state=state, sort="created", direction="desc", **query)
            if found:
                return _review(found[0])
        return None

    def open(self, branch: str, base: str, title: str, text: str) -> Review:
        """Open a pull request, or give the open one this title and text."""
        said = {"title": shorten(title, TITLE), "body": shorten(text, TEXT)}
        found = self.review(branch, base)
        if found is None or found.state != "open":
            try:
                return _review(self._send("POST", "pulls", head=branch, base=base, **said))
            except Rejected as error:
                found = self.review(branch, base) if "already exists" in error.words else None
                if found is None:  # else somebody has opened it at the same time
                    raise
        return _review(self._send("PATCH", f"pulls/{found.number}", **said))

    def comment(self, review: Review, text: str) -> None:
        """Say something on a pull request, whatever its state."""
        self._send("POST", f"issues/{review.number}/comments", body=shorten(text, TEXT))

    def of_commit(self, commit: str) -> Review | None:
        """The merged pull request that brought a commit into the branch that Flux follows."""
        for each in self._get(f"commits/{commit}/pulls", per_page=100) or ():
            if each["merged_at"] and each["base"]["ref"] == self.base:
                return _review(each)
        return None

    def _point(self, branch: str, at: str | None, onto: str, new: str, force: bool) -> None:
        """Have the branch, which is at `at` as far as is known, be at `new`. Raises Moved."""
        try:
            if at is None:
                self._send("POST", "git/refs", ref=f"refs/heads/{branch}", sha=new)
            else:
                self._send("PATCH", f"git/refs/heads/{quote(branch)}", sha=new, force=force)
        except Rejected as error:
            if FASTER.search(error.words):
                raise moved(branch, onto, error.words) from None
            if PROTECTED.search(error.words):
                raise protected(branch, self.base, error.words) from None
            raise

    def _get(self, path: str, /, **query: str | int) -> Any:
        """What is there; None where it is not, or the repository is empty."""
        try:
            return self.api.get(f"{self.root}/{path}", **query)
        except Rejected as error:
            if error.status not in (404, 409, 422):
                raise
        self.api.get(self.root)  # it is 404 as well where the repository is not seen
        return None

    def _send(self, method: str, path: str, /, **body: Any) -> Any:
        return self.api.send(method, f"{self.root}/{path}", **body)


def _review(found: Any) -> Review:
    state = "merged" if found.get("merged_at") else str(found["state"])
    return Review(str(found["number"]), str(found["html_url"]), str(found["head"]["ref"]), state)
