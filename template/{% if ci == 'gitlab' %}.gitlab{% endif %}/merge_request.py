# /// script
# requires-python = ">=3.11"
# dependencies = ["python-gitlab~=8.6"]
# ///
"""What .gitlab/ci/ asks of GitLab: a comment on this merge request, or a new merge request."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import gitlab

MARK = "<!-- evaluation -->\n"


def comment(text: str) -> None:
    """Write the one comment of this script, or change it."""
    project = connect("COMMENT_TOKEN", os.environ["CI_MERGE_REQUEST_PROJECT_ID"])
    request = project.mergerequests.get(os.environ["CI_MERGE_REQUEST_IID"], lazy=True)
    for note in request.notes.list(iterator=True):
        if note.body.startswith(MARK):
            note.body = MARK + text
            note.save()
            return
    request.notes.create({"body": MARK + text})


def propose(branch: str, text: str, *, draft: bool) -> None:
    """Open a merge request for the branch, or bring the open one up to date.

    The first line of the text, `# …`, is its title.
    """
    title, _, description = text.partition("\n")
    title = ("Draft: " if draft else "") + title.removeprefix("# ")
    fields = {"title": title, "description": description.strip()}
    requests = connect("UPGRADE_TOKEN", os.environ["CI_PROJECT_ID"]).mergerequests
    if found := requests.list(state="opened", source_branch=branch, get_all=False):
        requests.update(found[0].iid, fields)
        return
    target = {"source_branch": branch, "target_branch": os.environ["CI_DEFAULT_BRANCH"]}
    requests.create({**target, **fields, "remove_source_branch": True})


def connect(token: str, project: str) -> Any:
    """The project, as the holder of the token that the variable has."""
    server = gitlab.Gitlab(os.environ["CI_SERVER_URL"], private_token=os.environ[token])
    return server.projects.get(project, lazy=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("comment").add_argument("file", type=Path)
    new = commands.add_parser("propose")
    new.add_argument("branch")
    new.add_argument("file", type=Path)
    new.add_argument("--draft", action="store_true")
    given = parser.parse_args()
    text = given.file.read_text(encoding="utf-8")
    try:
        if given.command == "comment":
            comment(text)
        else:
            propose(given.branch, text, draft=given.draft)
    except gitlab.GitlabError as error:
        sys.exit(f"error: GitLab refuses ({error}): has the token the scope api, is it still good?")


if __name__ == "__main__":
    main()
