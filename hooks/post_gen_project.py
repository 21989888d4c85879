"""The Cookiecutter door, its other half: takes away the note that is left where no hook may run."""

from pathlib import Path

Path("NOT-GENERATED.txt").unlink()
