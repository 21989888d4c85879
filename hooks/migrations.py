"""What a release changes in a project's own files: `python migrations.py VERSION STAGE`, run there.

Copier calls it before and after an update that passes VERSION (`_migrations` in copier.yml). A
migration changes as little as it can, loses nothing that an owner wrote, and may run twice.
"""

import re
import sys
from pathlib import Path

import two_packages


def name_the_tool(project: Path) -> None:
    """0.3.0: in the Makefile, the variable RUN became TOOL; RUN names a run on the cluster."""
    makefile = project / "Makefile"
    if makefile.exists():
        text = makefile.read_text()
        makefile.write_text(re.sub(r"^(\t@?)\$\(RUN\) ", r"\1$(TOOL) ", text, flags=re.MULTILINE))


BEFORE = {"0.5.0": [two_packages.answer_what_is_used, two_packages.keep_edits]}
AFTER = {"0.3.0": [name_the_tool], "0.5.0": [two_packages.move]}

if __name__ == "__main__":
    version, stage = sys.argv[1:]
    for migration in (BEFORE if stage == "before" else AFTER).get(version, []):
        migration(Path.cwd())
