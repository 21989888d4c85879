"""GitLab's REST API, as far as a release by Git calls it, by the rules of its own source."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from gitops.shared import (
    EXPIRED,
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

ROOT = f"/projects/{NAME.replace('/', '%2F')}"
LOST = {"error": "invalid_token", "error_description": "Token is expired."}
SCOPE = {"error": "insufficient_scope", "error_description": "It requires higher privileges"}
FIELDS = "branch commit_message actions start_sha start_branch force author_name author_email"
STATES = {"open": "opened"}


class GitLabApi:
    def __init__(self, forge: Any) -> None:
        self.forge = forge
        one = "/([^/]+)"  # what has slashes is quoted
        self.routes = [
            ("GET", "", lambda *_: (200, {"path_with_namespace": NAME})),
            ("GET", f"/repository/branches{one}", self.get_branch),
            ("GET", f"/repository/files{one}", self.get_file),
            ("GET", "/repository/commits", self.list_commits),
            ("POST", "/repository/commits", self.create_commit),
            ("GET", f"/repository/commits{one}/merge_requests", self.requests_of_commit),
            ("GET", "/merge_requests", self.list_requests),
            ("POST", "/merge_requests", self.create_request),
            ("PUT", "/merge_requests/([0-9]+)", self.update_request),
            ("POST", "/merge_requests/([0-9]+)/notes", self.create_note),
        ]

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: Any, headers: Any
    ) -> Answer:
        token = bearer(headers)
        if token and token not in (TOKEN, READER):
            raise Rejection(401, LOST if token == EXPIRED else "401 Unauthorized")
        if not token or not path.startswith(ROOT):
            raise Rejection(404, "404 Project Not Found")
        if token == READER and method != "GET":
            raise Rejection(403, SCOPE)
        found = dispatch(self.routes, method, path.removeprefix(ROOT), query, body)
        if found is None:
            raise Rejection(404, {"error": "404 Not Found"})
        return found

    @property
    def repository(self) -> Any:
        return self.forge.repository

    def get_branch(self, query: Any, body: Any, name: str) -> Answer:
        branch = unquote(name)
        at = self.repository.head(branch)
        if at is None:
            raise Rejection(404, "404 Branch Not Found")
        protected = self.repository.is_protected(branch)
        return 200, {"name": branch, "commit": {"id": at}, "protected": protected}

    def last_commit(self, at: str, path: str) -> str:
        return str(self.repository.log(at, "-n", "1", "--", path)[0])

    def get_file(self, query: Any, body: Any, name: str) -> Answer:
        path, ref = unquote(name), query["ref"]
        if not self.repository.is_commit(ref):
            raise Rejection(404, "404 Commit Not Found")
        text = self.repository.show(ref, path)
        if text is None:
            raise Rejection(404, "404 File Not Found")
        content = base64.b64encode(text.encode()).decode()
        return 200, {"content": content, "last_commit_id": self.last_commit(ref, path)}

    def list_commits(self, query: Any, body: Any) -> Answer:
        if self.repository.head(query["ref_name"]) is None:
            raise Rejection(404, "404 Commit Not Found")
        log = self.repository.log(query["ref_name"], "-n", query["per_page"], "--", query["path"])
        return 200, [{"id": commit} for commit in log]

    def create_commit(self, query: Any, body: Any) -> Answer:
        check_fields(body, FIELDS)
        branch, start, force = body["branch"], body.get("start_sha"), body.get("force") is True
        if self.repository.is_protected(branch):
            raise Rejection(403, "403 Forbidden - You are not allowed to push into this branch")
        at = self.repository.head(branch)
        if start and not self.repository.is_commit(start):
            raise Rejection(400, f"Cannot find start_sha '{start}'")
        if not start and at is None:
            raise Rejection(400, "You can only create or edit files when you are on a branch")
        if start and at and not force:
            said = "already exists. Switch to that branch in order to make changes"
            raise Rejection(400, f"A branch called '{branch}' {said}")
        parent = start or at
        for action in body["actions"]:
            self.check_action(action, parent)
        files = {action["file_path"]: action["content"] for action in body["actions"]}
        tree = self.repository.tree(parent, files)
        made = self.repository.commit(tree, [parent], body["commit_message"])
        if not self.repository.point(branch, made, at):
            raise Rejection(400, f"Could not update refs/heads/{branch}. Please try again.")
        return 201, {"id": made, "parent_ids": [parent]}

    def check_action(self, action: Any, parent: str) -> None:
        check_fields(action, "action file_path content encoding last_commit_id")
        path, known = action["file_path"], action.get("last_commit_id")
        there = self.repository.show(parent, path) is not None
        if action["action"] == "create" and there:
            raise Rejection(400, "A file with this name already exists")
        if action["action"] == "update" and not there:
            raise Rejection(400, "A file with this name doesn't exist")
        if known and known != self.last_commit(parent, path):
            raise Rejection(400, f"The file has changed since you started editing it: {path}")

    def requests_of_commit(self, query: Any, body: Any, commit: str) -> Answer:
        if not self.repository.is_commit(commit):
            raise Rejection(404, "404 Commit Not Found")
        return 200, [self.shown(each) for each in self.forge.requests if commit in each.commits]

    def list_requests(self, query: Any, body: Any) -> Answer:
        found = [
            self.shown(each)
            for each in self.forge.requests[::-1]
            if (each.branch, each.base) == (query["source_branch"], query["target_branch"])
        ]
        kept = [each for each in found if query["state"] in ("all", each["state"])]
        return 200, kept[: int(query["per_page"])]

    def create_request(self, query: Any, body: Any) -> Answer:
        check_fields(body, "source_branch target_branch title description remove_source_branch")
        branch, base = body["source_branch"], body["target_branch"]
        if there := self.forge.open_requests(branch):
            said = "Another open merge request already exists for this source branch"
            raise Rejection(409, {"message": [f"{said}: !{there[0].number}"]})
        if self.repository.head(branch) is None:
            raise Rejection(400, {"message": {"source_branch": ["does not exist"]}})
        self.check_title(body)
        number = len(self.forge.requests) + 1
        made = Request(number, branch, base, body["title"], body["description"])
        self.forge.requests.append(made)
        return 201, self.shown(made)

    def update_request(self, query: Any, body: Any, number: str) -> Answer:
        check_fields(body, "title description")
        self.check_title(body)
        request = self.forge.requests[int(number) - 1]
        request.title, request.text = body["title"], body["description"]
        return 200, self.shown(request)

    def create_note(self, query: Any, body: Any, number: str) -> Answer:
        check_fields(body, "body")
        self.forge.requests[int(number) - 1].comments.append(body["body"])
        return 201, {}

    def check_title(self, body: Any) -> None:
        if len(body["title"]) > 255:
            raise Rejection(400, {"message": {"title": ["is too long (maximum is 255)"]}})

    def shown(self, request: Request) -> Any:
        return {
            "iid": request.number,
            "web_url": f"{self.forge.url}/{NAME}/-/merge_requests/{request.number}",
            "state": STATES.get(request.state, request.state),
            "source_branch": request.branch,
            "target_branch": request.base,
            "source_project_id": 8 if request.fork else 7,
            "target_project_id": 7,
        }
