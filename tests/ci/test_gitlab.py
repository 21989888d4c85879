"""GitLab's jobs, run by gitlab-ci-local, do what the project's page on CI says."""

from pathlib import Path

import pytest

from blueprint.gitlab import MERGE_REQUEST, Api, Runner
from blueprint.project import Project
from blueprint.rendering import commit, git

COMMENT = ".mlops/report.md"
MARK = "<!-- evaluation -->\n"


@pytest.fixture
def runner(ready: Project, gitlab_ci_local: Path) -> Runner:
    """Runs jobs in the project itself, which is set up."""
    git(ready.path, "switch", "--quiet", "--discard-changes", "main")
    return Runner(gitlab_ci_local, ready.path)


def in_merge_request(api: Api, token: str) -> dict[str, str]:
    return {**MERGE_REQUEST, "CI_SERVER_URL": api.url, "COMMENT_TOKEN": token}


@pytest.mark.parametrize("job", ["compile", pytest.param("lint", marks=pytest.mark.slow)])
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


def test_a_merge_request_without_a_token_is_told_so(runner: Runner) -> None:
    (runner.project / COMMENT).parent.mkdir(exist_ok=True)
    (runner.project / COMMENT).write_text("## Accepted\n")
    with Api("the secret").serve() as api:
        done = runner("comment", **in_merge_request(api, ""))
        assert "no comment: no variable COMMENT_TOKEN is set" in done.stdout
        done = runner("comment", **in_merge_request(api, "an old one"), check=False)
        assert "error: GitLab refuses (401" in done.stdout + done.stderr
        assert not api.notes


@pytest.mark.slow
def test_a_merge_request_is_compared_with_the_champion_of_main(
    ready: Project, gitlab_ci_local: Path
) -> None:
    git(ready.path, "switch", "--quiet", "--discard-changes", "main")
    runner = Runner(gitlab_ci_local, ready.path, isolated=True)
    runner("run")
    said = runner.artifact("run", COMMENT).read_text()
    assert "there is no champion yet" in said
    cache = ready.path / ".gitlab-ci-local" / "cache" / "champion" / ".mlops" / "mlflow.db"
    champion = cache.read_bytes()

    git(ready.path, "switch", "--quiet", "--force-create", "change")
    base = ready.path / "config" / "base.yaml"
    base.write_text(base.read_text().replace("epochs: 40", "epochs: 2"))
    commit(ready.path, "A change")
    with Api("the secret").serve() as api:
        runner("--needs", "comment", **in_merge_request(api, "the secret"))
        said = runner.artifact("run", COMMENT).read_text()
        assert "| Metric | This model | Interval | Champion (version 1) |" in said
        [note] = api.notes
        assert note["body"] == MARK + said
    assert cache.read_bytes() == champion, "a merge request leaves main's champion alone"
