"""GitHub's REST API, as far as a release by Git calls it: its answers and its errors' words."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from gitops.shared import (
    NAME,
    READER,
    TOKEN,
    Answer,
    Rejection,
    Request,
    bearer,
    check_fields,
    dispatch,
)

ROOT = f"/repos/{NAME}"
NOT_FOUND = Rejection(404, "Not Found")
ONLY_READS = "Resource not accessible by personal access token"
BY_REVIEW = "Changes must be made through a pull request."


class GitHubApi:
    def __init__(self, forge: Any) -> None:
        self.forge = forge
        one = "/(.+)"
        self.routes = [
            ("GET", "", lambda *_: (200, {"full_name": NAME})),
            ("GET", f"/git/ref/heads{one}", self.get_ref),
            ("GET", f"/git/commits{one}", self.get_commit),
            ("GET", f"/contents{one}", self.get_contents),
            ("GET", f"/commits{one}/pulls", self.pulls_of_commit),
            ("GET", "/commits", self.list_commits),
            ("POST", "/git/trees", self.create_tree),
            ("POST", "/git/commits", self.create_commit),
            ("POST", "/git/refs", self.create_ref),
            ("PATCH", f"/git/refs/heads{one}", self.update_ref),
            ("GET", "/pulls", self.list_pulls),
            ("POST", "/pulls", self.create_pull),
            ("PATCH", "/pulls/([0-9]+)", self.update_pull),
            ("POST", "/issues/([0-9]+)/comments", self.create_comment),
        ]

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: Any, headers: Any
    ) -> Answer:
        token = bearer(headers)
        if token and token not in (TOKEN, READER):
            raise Rejection(401, "Bad credentials")
        path = unquote(path)
        if not token or not path.startswith(ROOT):
            raise NOT_FOUND
        if token == READER and method != "GET":
            raise Rejection(403, ONLY_READS)
        found = dispatch(self.routes, method, path.removeprefix(ROOT), query, body)
        if found is None:
            raise NOT_FOUND
        return found

    @property
    def repository(self) -> Any:
        return self.forge.repository

    def get_ref(self, query: Any, body: Any, branch: str) -> Answer:
        if not self.repository.log("--all"):
            raise Rejection(409, "Git Repository is empty.")
        at = self.repository.head(branch)
        if at is None:
            raise NOT_FOUND
        return 200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": at}}

    def get_commit(self, query: Any, body: Any, commit: str) -> Answer:
        if not self.repository.is_commit(commit):
            raise NOT_FOUND
        tree = self.repository.git("rev-parse", commit + "^{tree}").strip()
        return 200, {"sha": commit, "tree": {"sha": tree}}

    def get_contents(self, query: Any, body: Any, path: str) -> Answer:
        text = self.repository.show(query["ref"], path)
        if text is None:
            raise NOT_FOUND
        content = base64.encodebytes(text.encode()).decode()
        return 200, {"type": "file", "encoding": "base64", "content": content, "path": path}

    def list_commits(self, query: Any, body: Any) -> Answer:
        if self.repository.head(query["sha"]) is None:
            raise NOT_FOUND
        log = self.repository.log(query["sha"], "-n", query["per_page"], "--", query["path"])
        return 200, [{"sha": commit} for commit in log]

    def pulls_of_commit(self, query: Any, body: Any, commit: str) -> Answer:
        if not self.repository.is_commit(commit):
            raise Rejection(422, f"No commit found for SHA: {commit}")
        return 200, [self.shown(each) for each in self.forge.requests if commit in each.commits]

    def create_tree(self, query: Any, body: Any) -> Answer:
        check_fields(body, "base_tree tree")
        for entry in body["tree"]:
            check_fields(entry, "path mode type content sha")
        files = {entry["path"]: entry["content"] for entry in body["tree"]}
        return 201, {"sha": self.repository.tree(body["base_tree"], files)}

    def create_commit(self, query: Any, body: Any) -> Answer:
        check_fields(body, "message tree parents author committer signature")
        made = self.repository.commit(body["tree"], body["parents"], body["message"])
        return 201, {"sha": made}

    def create_ref(self, query: Any, body: Any) -> Answer:
        check_fields(body, "ref sha")
        branch = body["ref"].removeprefix("refs/heads/")
        self.check_protection(branch)
        if not self.repository.point(branch, body["sha"], None):
            raise Rejection(422, "Reference already exists")
        return 201, {"ref": body["ref"], "object": {"sha": body["sha"]}}

    def update_ref(self, query: Any, body: Any, branch: str) -> Answer:
        check_fields(body, "sha force")
        at = self.repository.head(branch)
        if at is None:
            raise Rejection(422, "Reference does not exist")
        self.check_protection(branch)
        forward = self.repository.has("merge-base", "--is-ancestor", at, body["sha"])
        if not forward and body.get("force") is not True:
            raise Rejection(422, "Update is not a fast forward")
        assert self.repository.point(branch, body["sha"], at)
        return 200, {"ref": f"refs/heads/{branch}", "object": {"sha": body["sha"]}}

    def check_protection(self, branch: str) -> None:
        if self.repository.is_protected(branch):
            raise Rejection(422, self.forge.words or BY_REVIEW)

    def list_pulls(self, query: Any, body: Any) -> Answer:
        assert (query["sort"], query["direction"]) == ("created", "desc")
        owner, _, branch = query["head"].partition(":")
        found = [
            each
            for each in self.forge.requests[::-1]
            if (each.branch, each.base) == (branch, query["base"])
            and each.fork == (owner != NAME.partition("/")[0])
            and (query["state"] == "all" or (each.state == "open") == (query["state"] == "open"))
        ]
        return 200, [self.shown(each) for each in found[: int(query["per_page"])]]

    def create_pull(self, query: Any, body: Any) -> Answer:
        check_fields(body, "title head base body")
        self.check_length(body)
        branch, base = body["head"], body["base"]
        wrong = None
        if self.repository.head(branch) is None:
            wrong = {"resource": "PullRequest", "field": "head", "code": "invalid"}
        elif self.forge.open_requests(branch):
            said = f"A pull request already exists for team:{branch}."
            wrong = {"resource": "PullRequest", "code": "custom", "message": said}
        elif not self.repository.log(f"{base}..{branch}"):
            said = f"No commits between {base} and {branch}"
            wrong = {"resource": "PullRequest", "code": "custom", "message": said}
        if wrong:
            raise Rejection(422, {"message": "Validation Failed", "errors": [wrong]})
        number = len(self.forge.requests) + 1
        made = Request(number, branch, base, body["title"], body["body"])
        self.forge.requests.append(made)
        return 201, self.shown(made)

    def update_pull(self, query: Any, body: Any, number: str) -> Answer:
        check_fields(body, "title body")
        self.check_length(body)
        request = self.forge.requests[int(number) - 1]
        request.title, request.text = body["title"], body["body"]
        return 200, self.shown(request)

    def create_comment(self, query: Any, body: Any, number: str) -> Answer:
        check_fields(body, "body")
        self.check_length(body)
        self.forge.requests[int(number) - 1].comments.append(body["body"])
        return 201, {}

    def check_length(self, body: Any) -> None:
        if len(body["body"]) > 65536 or len(body.get("title", "")) > 256:
            raise Rejection(422, "body is too long (maximum is 65536 characters)")

    def shown(self, request: Request) -> Any:
        return {
            "number": request.number,
            "html_url": f"{self.forge.url}/{NAME}/pull/{request.number}",
            "state": "open" if request.state == "open" else "closed",
            "merged_at": "2026-01-01T00:00:00Z" if request.state == "merged" else None,
            "head": {"ref": request.branch},
            "base": {"ref": request.base},
        }
