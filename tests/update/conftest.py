"""The template's history."""

from pathlib import Path

import pytest

from tools import releases


@pytest.fixture(scope="session")
def history(isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every release, and the working tree as the next one."""
    return releases.history(tmp_path_factory.mktemp("history") / "template")
