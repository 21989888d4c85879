"""What a release changes in a project's own edits: `python migrations.py VERSION`, in the project.

Copier calls it after an update that passes VERSION (`_migrations` in copier.yml). A migration
changes as little as it can, deletes no file, and may run twice.
"""

import re
import sys
from pathlib import Path


def name_the_tool(project: Path) -> None:
    """0.3.0: in the Makefile, the variable RUN became TOOL; RUN names a run on the cluster."""
    makefile = project / "Makefile"
    if makefile.exists():
        text = makefile.read_text()
        makefile.write_text(re.sub(r"^(\t@?)\$\(RUN\) ", r"\1$(TOOL) ", text, flags=re.MULTILINE))


MIGRATIONS = {"0.3.0": [name_the_tool]}

if __name__ == "__main__":
    for migration in MIGRATIONS[sys.argv[1]]:
        migration(Path.cwd())
