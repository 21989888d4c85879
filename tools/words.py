"""Words that no text, message, comment or name of this repository uses: `tests/static/words.yml`.

Each has a word that a colleague would say instead. Files that used them when the list was made have
their number of uses in the file, which may only shrink: `python -m tools.words` writes it again and
never writes more.
"""

import json
import re
import sys
import textwrap
from functools import cache
from typing import Any

import yaml

from support.questions import ROOT
from support.rendering import tracked_files

FILE = ROOT / "tests" / "static" / "words.yml"
MARK = "uses:\n"
TEXTS = (".py", ".md", ".yml", ".yaml", ".jinja", ".toml", ".txt", ".html", ".sh", ".mmd")
# History, other people's words, and this list itself.
LEFT_OUT = ("CHANGELOG.md", "LICENSE", "tests/static/words.yml", "tests/mutation/", "licenses/")


@cache
def rules() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content


@cache
def pattern(word: str) -> re.Pattern[str]:
    """The word in any case, also as a part of a name with underscores, not inside another word."""
    return re.compile(rf"(?<![a-z])(?:{word})(?![a-z])", re.IGNORECASE)


def uses(text: str) -> list[str]:
    """The banned words in a text, each as often as it is there."""
    for allowed in rules()["allowed"]:
        text = re.sub(allowed, "", text)
    return [found[0] for word in rules()["words"] for found in pattern(word).finditer(text)]


def counted() -> dict[str, int]:
    """How often each file of the repository uses them, where it does."""
    found = {}
    for path in tracked_files():
        name = path.as_posix()
        if name.startswith(LEFT_OUT) or not (path.suffix in TEXTS or "{%" in path.name):
            continue
        if number := len(uses(f"{name}\n{(ROOT / path).read_text()}")):
            found[name] = number
    return found


def main() -> int:
    now, before = counted(), rules()["uses"] or {}
    if sum(now.values()) > sum(before.values()) and "--first" not in sys.argv:
        print(f"error: {sum(now.values())} uses, {sum(before.values())} before", file=sys.stderr)
        return 1
    head = FILE.read_text().partition(MARK)[0]
    FILE.write_text(
        head + MARK + textwrap.indent(json.dumps(now, indent=2, sort_keys=True), "  ") + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
