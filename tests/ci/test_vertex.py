"""How CI logs in to Google Cloud and submits there: without a key, by the identity of the job. The
scripts are the project's; GitHub's issuer and Google's services stand behind `curl`, and Google's
own library reads the file that names the login.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.actions import PUSH, GitHub, load
from support.project import environment

STANDIN = Path(__file__).with_name("standins") / "google" / "curl"
PROVIDER = "projects/42/locations/global/workloadIdentityPools/ci/providers/it"
ACCOUNT = "ci@team.iam.gserviceaccount.com"
ISSUER = "https://issuer.example.com/token?api-version=2.0"
ON_GITHUB = {
    "PROVIDER": PROVIDER,
    "ACCOUNT": ACCOUNT,
    "ACTIONS_ID_TOKEN_REQUEST_URL": ISSUER,
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the job's",
}
ON_GITLAB = {
    "WORKLOAD_IDENTITY_PROVIDER": PROVIDER,
    "ACCOUNT": ACCOUNT,
    "GOOGLE_ID_TOKEN": "who the job is",
}
GOOGLE = ["sts.googleapis.com", "iamcredentials.googleapis.com"]
# What Google's library makes of the file: whom it becomes, and the token that it would exchange.
LIBRARY = """
import json, sys
from types import SimpleNamespace
import google.auth

def request(url, method, headers, **_):
    assert (url, headers) == (sys.argv[2], {"Authorization": "Bearer the job's"}), (url, headers)
    return SimpleNamespace(status=200, data=json.dumps({"value": "who the job is"}).encode())

found, _ = google.auth.load_credentials_from_file(sys.argv[1])
print(json.dumps([found.service_account_email, found.retrieve_subject_token(request).strip()]))
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on the PATH: programs that keep what they are called with."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "curl").symlink_to(STANDIN)
    kept = '#!/bin/sh\nprintf "%s\\n" "${0##*/} $*" >> "$CALLS"\n'
    for name, more in (
        ("apt-get", ""),
        ("make", 'cp "$GOOGLE_APPLICATION_CREDENTIALS" "$CALLS.login"\n'),
        ("docker", 'tee -a "$CALLS" | grep --quiet .\n'),  # it fails without a password, too
    ):
        (folder / name).write_text(kept + more)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GOOGLE_CALLS", str(tmp_path / "asked"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def run(project: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script as a job runs it, in the shell of both."""
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=project,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def read_by_google(login: Path) -> list[str]:
    """The account and the job's token, as Google's library finds them."""
    url = f"{ISSUER}&audience=https%3A%2F%2Fiam.googleapis.com%2F{PROVIDER.replace('/', '%2F')}"
    command = ["uv", "run", "--quiet", "--no-project", "--with", "google-auth[requests]==2.62.2"]
    done = subprocess.run(
        [*command, "python", "-c", LIBRARY, str(login), url],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_github_submits_as_the_workflow(vertex: Path, github: GitHub, commands: Path) -> None:
    github.commands = commands
    github.variables = {"WORKLOAD_IDENTITY_PROVIDER": PROVIDER, "SUBMIT_ACCOUNT": ACCOUNT}
    compiled = github.artifact("pipelines-c0ffee") / "training.yaml"
    compiled.parent.mkdir(parents=True)
    compiled.write_text("compiled\n")
    issued = {key: value for key, value in ON_GITHUB.items() if key.startswith("ACTIONS_")}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in issued.items():
            patch.setenv(key, value)
        inputs = {"environment": "staging"}
        github.run(vertex, "submit.yml", "submit", PUSH, inputs=inputs)
    calls = Path(os.environ["CALLS"])
    assert calls.read_text() == "make submit ENV=staging WAIT=1\n"
    login = calls.with_name("calls.login")
    assert read_by_google(login) == [ACCOUNT, "who the job is"]
    assert "private_key" not in login.read_text()
    made = github.folder / "runner" / "login.json"
    assert made.stat().st_mode & 0o077 == 0, "others may read the login"


def test_gitlab_submits_as_the_job(vertex: Path, commands: Path) -> None:
    job: dict[str, Any] = yaml.safe_load((vertex / ".gitlab/ci/submit.yml").read_text())[".submit"]
    assert job["variables"] == {"ACCOUNT": "$SUBMIT_ACCOUNT"}
    script = "\n".join([*job["before_script"], *job["script"]])
    done = run(vertex, script, CI_ENVIRONMENT_NAME="production", **ON_GITLAB)
    assert done.returncode == 0, done.stderr
    calls = Path(os.environ["CALLS"])
    assert calls.read_text().splitlines()[-1] == "make submit ENV=production WAIT=1"
    assert read_by_google(calls.with_name("calls.login")) == [ACCOUNT, "who the job is"]
    token = calls.with_name("google-id-token")
    assert token.stat().st_mode & 0o077 == 0, "others may read the job's token"


def github_push(project: Path) -> str:
    steps = load(project, "images.yml")["jobs"]["push"]["steps"]
    [script] = [step["run"] for step in steps if "docker login" in step.get("run", "")]
    return str(script)


def gitlab_push(project: Path) -> str:
    job = yaml.safe_load((project / ".gitlab/ci/images.yml").read_text())["images"]
    [script] = [line for line in job["script"] if "docker login" in line]
    return str(script)


PUSHES = {
    "github": (github_push, ON_GITHUB, ["issuer.example.com", *GOOGLE]),
    "gitlab": (gitlab_push, ON_GITLAB, GOOGLE),
}


@pytest.mark.parametrize("ci", PUSHES)
def test_images_are_pushed_with_a_token_of_an_hour(ci: str, vertex: Path, commands: Path) -> None:
    script, variables, asked = PUSHES[ci]
    registry = {"REGISTRY": "europe-west4-docker.pkg.dev/team/digits"}
    done = run(vertex, script(vertex), **registry, **variables)
    assert done.returncode == 0, done.stderr
    assert Path(os.environ["CALLS"]).read_text() == (
        "docker login europe-west4-docker.pkg.dev --username oauth2accesstoken --password-stdin\n"
        "an access token\n"
    )
    assert Path(os.environ["GOOGLE_CALLS"]).read_text().split() == asked


@pytest.mark.parametrize("ci", PUSHES)
@pytest.mark.parametrize("wrong", ["PROVIDER", "ACCOUNT"])
def test_a_login_that_is_rejected_or_not_set_stops_the_job(
    ci: str, wrong: str, vertex: Path, commands: Path
) -> None:
    script, variables, _ = PUSHES[ci]
    [name] = [key for key in variables if key.endswith(wrong)]
    registry = {"REGISTRY": "europe-west4-docker.pkg.dev/team/digits"}
    for value in ("another", ""):
        done = run(vertex, script(vertex), **registry, **{**variables, name: value})
        assert done.returncode, f"{name}={value}"
        assert "set " in done.stderr or "error: 400" in done.stderr
