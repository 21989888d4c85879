"""A test of the plumbing that imports what no project has together is never run: nobody would see
it. What is installed where is seen in tests/e2e/test_plumbing.py.
"""

from pathlib import Path

import pytest

from support import plumbing
from support.rendering import Renderings


@pytest.fixture(scope="module")
def projects(renderings: Renderings) -> list[Path]:
    return [renderings(**each, plumbing_tests=True) for each in plumbing.PROJECTS.values()]


def test_each_test_of_the_plumbing_is_collected_somewhere(projects: list[Path]) -> None:
    found = [plumbing.collected_with_all_packages(project) for project in projects]
    assert not plumbing.every(projects[0]) - set().union(*found)
    assert len(set(map(len, found))) > 1, "what a project has not is seen"
