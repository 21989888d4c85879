"""The loopback host, and the way that the project reaches it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitops.server import Forge
from gitops.shared import NAME, TOKEN

from blueprint.deploy.git import rest
from blueprint.deploy.git.hosts import Host, host
from blueprint.deploy.git.settings import Gitops

Connect = Callable[..., Host]


@pytest.fixture(autouse=True)
def only_this_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the configuration of whoever runs the tests out of them; the file that stands for it."""
    own = tmp_path / "gitconfig"
    own.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(rest, "PAUSE", 0)
    return own


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path / "forge") as forge:
        yield forge


@pytest.fixture
def connect(forge: Forge) -> Connect:
    """Reach the host: by GitHub's API, by GitLab's, or with git by HTTP, SSH or a path."""

    def run(way: str, token: str | None = TOKEN, name: str = NAME) -> Host:
        places = {"file": f"file://{forge.folder}", "ssh": f"ssh://git@localhost{forge.folder}"}
        is_git = way in ("http", "file", "ssh")
        settings = Gitops(
            provider="git" if is_git else way,
            repository=f"{places.get(way, forge.url)}/{name}.git",
            api=None if is_git else f"{forge.url}/{way}",
            review=not is_git,
        )
        return host(settings, token)

    return run
