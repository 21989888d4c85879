"""The program that fetches a pod's model, in a process with a pod's volume and variables."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from blueprint.model import digest
from blueprint.registry import store

NAME = "digits"
PROGRAM = (sys.executable, "-m", "blueprint.serving.fetch")


@dataclass
class Pod:
    """The program, its volume and its variables."""

    volume: Path
    variables: dict[str, str] = field(default_factory=dict)

    def pin(self, uri: str, model: Path, version: str = "7", **more: str) -> "Pod":
        pins = {"MODEL_VERSION": version, "MODEL_SHA256": digest(model), "MODEL_URI": uri}
        self.variables |= pins | more
        return self

    def environment(self) -> dict[str, str]:
        fixed = {"MLOPS_ENV": "test", "MLOPS_REGISTRY__NAME": NAME}
        return os.environ | fixed | {"MLOPS_SERVING__STORE": str(self.volume)} | self.variables

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*PROGRAM, *arguments], env=self.environment(), stdout=pipe, stderr=pipe, text=True
        )

    def fetch(self, *arguments: str, before: tuple[str, ...] = ()) -> str:
        """Run it, and return the line that it prints when it is done."""
        done = self._run(arguments, before)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rejects(self, *arguments: str, before: tuple[str, ...] = ()) -> str:
        """Run it, and return the one line that says why it gave up, with nothing half written."""
        done = self._run(arguments, before)
        assert done.returncode == 1, done.stdout
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert not self.left()
        return line

    def left(self) -> list[str]:
        """What is in the volume that no server reads."""
        kept = store.current(self.volume, NAME)
        known = [kept.folder, self.volume / NAME / "current.json"] if kept else []
        files = [path for path in self.volume.rglob("*") if path.is_file()]
        return [str(path) for path in files if not {*path.parents, path} & {*known}]

    def served(self) -> store.Deployed:
        deployed = store.current(self.volume, NAME)
        assert deployed is not None
        deployed.verify()
        return deployed

    def _run(
        self, arguments: tuple[str, ...], before: tuple[str, ...]
    ) -> subprocess.CompletedProcess[str]:
        command, text = [*before, *PROGRAM, *arguments], True
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=text, timeout=60
        )
