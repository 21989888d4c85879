"""GitLab's jobs, run by gitlab-ci-local, do what the project's page on CI says."""

from pathlib import Path

import pytest

from support.gitlab import MERGE_REQUEST, Api, Runner
from support.project import Project
from support.rendering import git

COMMENT = ".mlops/report.md"
MARK = "<!-- evaluation -->\n"


@pytest.fixture
def runner(ready: Project, gitlab_ci_local: Path) -> Runner:
    """Runs jobs in the project itself, which is set up."""
    git(ready.path, "switch", "--quiet", "--discard-changes", "main")
    return Runner(gitlab_ci_local, ready.path)


def in_merge_request(api: Api, token: str) -> dict[str, str]:
    return {**MERGE_REQUEST, "CI_SERVER_URL": api.url, "COMMENT_TOKEN": token}


@pytest.mark.parametrize("job", ["lint"])
def test_a_check_passes(job: str, runner: Runner) -> None:
    assert f"PASS  {job}" in runner(job).stdout


def test_a_merge_request_has_one_comment(runner: Runner) -> None:
    report = runner.project / COMMENT
    report.parent.mkdir(exist_ok=True)
    with Api("the secret").serve() as api:
        api.notes.append({"id": 1, "body": "Somebody else's comment"})
        for text in ("## Accepted\n", "## Rejected\n"):
            report.write_text(text)
            runner("comment", **in_merge_request(api, "the secret"))
            assert [note["body"] for note in api.notes] == ["Somebody else's comment", MARK + text]


def test_a_comment_needs_a_token(runner: Runner) -> None:
    assert "comment" not in runner.active(**MERGE_REQUEST), "a job that does nothing passes nothing"
    assert "comment" in runner.active(**MERGE_REQUEST, COMMENT_TOKEN="the secret")
    (runner.project / COMMENT).parent.mkdir(exist_ok=True)
    (runner.project / COMMENT).write_text("## Accepted\n")
    with Api("the secret").serve() as api:
        done = runner("comment", **in_merge_request(api, "an old one"), check=False)
        assert "error: GitLab refuses (401" in done.stdout + done.stderr
        assert not api.notes


@pytest.mark.slow
def test_without_a_registry_nothing_is_compared_registered_or_deployed(
    ready: Project, gitlab_ci_local: Path
) -> None:
    git(ready.path, "switch", "--quiet", "--discard-changes", "main")
    runner = Runner(gitlab_ci_local, ready.path, isolated=True)
    with Api("the secret").serve() as api:
        runner("--needs", "comment", **in_merge_request(api, "the secret"))
        said = runner.artifact("run", COMMENT).read_text()
        assert said.startswith("**Not compared with a champion**")
        assert "| not compared | no champion yet | – |" in said
        [note] = api.notes
        assert note["body"] == MARK + said
    assert not (ready.path / ".gitlab-ci-local" / "cache" / "champion").exists()
