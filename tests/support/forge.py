"""The Git host of a project's own tests, at an address that pods and Flux reach: GitHub's API and
GitLab's over one real bare repository."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from support import cluster
from support.questions import ROOT

sys.path.insert(0, str(ROOT / "template" / "tests" / "{% if plumbing_tests %}blueprint{% endif %}"))
from gitops.server import Forge
from gitops.shared import EXPIRED, NAME, READER, TOKEN

__all__ = ["EXPIRED", "NAME", "READER", "TOKEN", "Forge", "opened"]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Forge]:
    """A host whose data are in that folder."""
    with Forge(folder / "forge", cluster.host()) as forge:
        yield forge
