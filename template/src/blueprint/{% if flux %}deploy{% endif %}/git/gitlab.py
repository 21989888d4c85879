"""A project on GitLab, gitlab.com or one's own, by its REST API (v4)."""

import base64
import re
from typing import Any
from urllib.parse import quote

from ...text import shorten
from .changes import SHORT, Change, Review, moved, protected
from .rest import Api, Rejected

RIGHTS = "the scope api and the role Developer in this project alone"
TITLE, TEXT = 255, 1_000_000  # characters that GitLab stores
STATES = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
FASTER = re.compile(
    "already exists|has changed since|doesn't exist|does not exist|could not update"
    "|cannot find start_sha",
    re.I,
)
PROTECTED = re.compile("not allowed to|protected|pre-receive|push rule", re.I)


class GitLab:
    """A Host: `repository` is the project's path with its groups, `base` what Flux follows.

    A commit is one request. GitLab compares the files with what they were at `onto`, not the branch
    with `onto`: a commit of other files that comes in between stays, and this one is upon it.
    """

    def __init__(self, url: str, token: str | None, repository: str, base: str) -> None:
        self.api, self.base = Api(url, token, {}, RIGHTS), base
        self.root = f"/projects/{quote(repository, safe='')}"

    def head(self, branch: str) -> str | None:
        """The commit that a branch is at; None: there is no such branch."""
        found = self._get(f"repository/branches/{quote(branch, safe='')}")
        return str(found["commit"]["id"]) if found else None

    def read(self, path: str, commit: str) -> str | None:
        """A file's text at a commit; None: it is not there."""
        found = self._file(path, commit)
        return base64.b64decode(found["content"]).decode(errors="replace") if found else None

    def history(self, path: str, branch: str, number: int) -> list[str]:
        """The commits of a branch that changed a file, at most `number`, newest first."""
        found = self._get("repository/commits", path=path, ref_name=branch, per_page=number)
        return [str(each["id"]) for each in found or ()]

    def commit(self, change: Change, branch: str, onto: str, *, replace: bool = False) -> str:
        """One commit upon `onto` as the new head of the branch; its SHA. Raises Moved."""
        at = None if replace else self.head(branch)
        if at not in (None, onto):
            raise moved(branch, onto, f"it is at {str(at)[:SHORT]}")
        actions = []
        for path, text in change.files.items():
            action = {"action": "create", "file_path": path, "content": text}
            if found := self._file(path, onto):
                action["action"] = "update"
                if at:  # GitLab rejects the commit if the file has another last commit by now
                    action["last_commit_id"] = str(found["last_commit_id"])
            actions.append(action)
        body: dict[str, Any] = {
            "branch": branch,
            "commit_message": change.message,
            "actions": actions,
        }
        if at is None:  # without force, an error where the branch is there by now
            body |= {"start_sha": onto, "force": replace}
        try:
            return str(self._send("POST", "repository/commits", **body)["id"])
        except Rejected as error:
            if error.status == 400 and FASTER.search(error.words):
                raise moved(branch, onto, error.words) from None
            if error.status in (400, 403) and PROTECTED.search(error.words):
                there = self._get(f"repository/branches/{quote(branch, safe='')}") or {}
                if error.status == 400 or there.get("protected", True):  # or its role is too low
                    raise protected(branch, self.base, error.words) from None
            raise

    def review(self, branch: str, base: str) -> Review | None:
        """The newest merge request of the branch of this project, an open one before others."""
        query: dict[str, Any] = {"source_branch": branch, "target_branch": base, "per_page": 100}
        for state in ("opened", "all"):
            found = self._get("merge_requests", state=state, order_by="created_at", **query)
            for each in found or ():
                if each["source_project_id"] == each["target_project_id"]:  # no fork's
                    return _review(each)
        return None

    def open(self, branch: str, base: str, title: str, text: str) -> Review:
        """Open a merge request, or give the open one this title and text."""
        said = {"title": shorten(title, TITLE), "description": shorten(text, TEXT)}
        found = self.review(branch, base)
        if found is None or found.state != "open":
            body = said | {"source_branch": branch, "target_branch": base}
            try:
                made = self._send("POST", "merge_requests", **body, remove_source_branch=True)
                return _review(made)
            except Rejected as error:
                found = self.review(branch, base) if error.status == 409 else None
                if found is None:  # else somebody has opened it at the same time
                    raise
        return _review(self._send("PUT", f"merge_requests/{found.number}", **said))

    def comment(self, review: Review, text: str) -> None:
        """Say something on a merge request, whatever its state."""
        self._send("POST", f"merge_requests/{review.number}/notes", body=shorten(text, TEXT))

    def of_commit(self, commit: str) -> Review | None:
        """The merged request that brought a commit into the branch that Flux follows."""
        for each in self._get(f"repository/commits/{commit}/merge_requests", per_page=100) or ():
            if each["state"] == "merged" and each["target_branch"] == self.base:
                return _review(each)
        return None

    def _file(self, path: str, commit: str) -> Any:
        return self._get(f"repository/files/{quote(path, safe='')}", ref=commit)

    def _get(self, path: str, /, **query: str | int) -> Any:
        """What is there; None where it is not."""
        try:
            return self.api.get(f"{self.root}/{path}", **query)
        except Rejected as error:
            if error.status != 404:
                raise
        self.api.get(self.root)  # it is 404 as well where the project is not seen
        return None

    def _send(self, method: str, path: str, /, **body: Any) -> Any:
        return self.api.send(method, f"{self.root}/{path}", **body)


def _review(found: Any) -> Review:
    state = STATES.get(found["state"], "closed")
    return Review(str(found["iid"]), str(found["web_url"]), str(found["source_branch"]), state)
