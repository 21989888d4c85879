"""The scheduled job proposes the template's new release, by GitHub's steps and by GitLab's job."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.actions import SCHEDULE, GitHub
from support.gitlab import Api, Runner, leading
from support.rendering import commit, git

from .conftest import Proposed

BRANCH = "template-update"


class OnGitHub:
    """The workflow, and GitHub's pull requests."""

    def __init__(self, github: GitHub, proposed: Proposed) -> None:
        self.github, self.proposed = github, proposed
        self.token = ""

    def run(self) -> str:
        """What the job printed."""
        self.proposed.clone_anew()
        self.github.secrets = {"UPGRADE_TOKEN": self.token}
        steps = self.github.run(self.proposed.clone, "upgrade.yml", "upgrade", SCHEDULE)
        return "".join(step.output for step in steps)

    def requests(self) -> list[dict[str, Any]]:
        """Title, text and whether it is a draft."""
        path = Path(os.environ["GH_STATE"])
        return json.loads(path.read_text())["pulls"] if path.exists() else []


class OnGitLab:
    """The job of the schedule, and GitLab's merge requests."""

    def __init__(self, program: Path, api: Api, proposed: Proposed) -> None:
        self.program, self.api, self.proposed = program, api, proposed
        self.token = ""

    def run(self) -> str:
        self.proposed.clone_anew()
        runner = Runner(self.program, self.proposed.clone)
        variables = {
            "TASK": "upgrade",
            "CI_PIPELINE_SOURCE": "schedule",
            "CI_SERVER_URL": self.api.url,
            "CI_PROJECT_ID": "1",
            "UPGRADE_TOKEN": self.token,
            **leading(self.proposed.origin, f"oauth2:{self.token}@"),
        }
        return runner("upgrade", **variables).stdout

    def requests(self) -> list[dict[str, Any]]:
        return [
            {
                "title": each["title"].removeprefix("Draft: "),
                "body": each["description"],
                "draft": each["title"].startswith("Draft: "),
            }
            for each in self.api.requests
        ]


@pytest.fixture(params=["github", "gitlab"])
def job(request: pytest.FixtureRequest, proposed: Proposed, github: GitHub) -> Any:
    if request.param == "github":
        yield OnGitHub(github, proposed)
        return
    with Api("the secret").serve() as api:
        yield OnGitLab(request.getfixturevalue("gitlab_ci_local"), api, proposed)


def test_conflicts_are_proposed_as_a_draft_that_lists_them(job: Any, proposed: Proposed) -> None:
    def edit(project: Path) -> None:
        makefile = project / "Makefile"
        makefile.write_text(f"# Mine.\n{makefile.read_text()}")

    proposed.main(edit)
    proposed.release("v0.1.1", "A line of the template.")
    job.token = "the secret"

    job.run()

    [request] = job.requests()
    assert request["draft"]
    assert request["title"] == "Template v0.1.0 → v0.1.1"
    assert "- [ ] `Makefile`" in request["body"]
    assert "A line of the template." in request["body"]
    assert "<<<<<<<" in proposed.proposal("Makefile")


@pytest.mark.slow
def test_a_new_release_is_proposed_and_brought_up_to_date(job: Any, proposed: Proposed) -> None:
    job.token = "the secret"
    assert "Nothing to do" in job.run()
    assert not job.requests()

    proposed.release("v0.1.1", "A line of the template.")
    job.token = ""
    with pytest.raises(AssertionError, match="UPGRADE_TOKEN"):  # what it is for, it cannot do
        job.run()
    assert not job.requests()

    job.token = "the secret"
    job.run()
    proposed.release("v0.1.2", "Another line.")
    job.run()
    [request] = job.requests()
    assert not request["draft"]
    assert request["title"] == "Template v0.1.0 → v0.1.2"
    assert proposed.proposal("Makefile").startswith("# Another line.\n# A line of the template.\n")
    assert "_commit: v0.1.2" in proposed.proposal(".copier-answers.yml")

    proposed.clone_anew()  # the owner's, who is somebody else
    git(proposed.clone, "fetch", "-q", str(proposed.origin), BRANCH)
    git(proposed.clone, "switch", "-q", "--force-create", "mine", "FETCH_HEAD")
    (proposed.clone / "Makefile").write_text("# The owner's.\n")
    commit(proposed.clone, "The owner's change")
    git(proposed.clone, "push", "-q", str(proposed.origin), f"mine:{BRANCH}")
    proposed.release("v0.1.3", "A third line.")
    assert "commits of yours" in job.run()
    assert proposed.proposal("Makefile") == "# The owner's.\n"


@pytest.mark.slow
def test_an_upgrade_that_fails_fails_the_job(job: Any, proposed: Proposed) -> None:
    def edit(project: Path) -> None:
        answers = project / ".copier-answers.yml"
        text = answers.read_text()
        answers.write_text(text.replace(str(proposed.template), f"{proposed.template} elsewhere"))

    proposed.main(edit)
    with pytest.raises(AssertionError, match="error: "):
        job.run()
    assert not job.requests()
