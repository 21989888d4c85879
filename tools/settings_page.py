"""The page `docs/reference/settings.md`: every key that the plumbing of projects knows.

`python -m tools.settings_page` writes it; a test holds it up to date.
"""

import re
from typing import Any

from support.questions import ROOT
from tools import introspect

PAGE = ROOT / "docs" / "reference" / "settings.md"
HEAD = """\
# Settings

Every key that a project's `config/*.yaml` may hold, with its type and its default in the code;
`config/base.yaml` of a project sets some of them to what its answers ask for. A later layer wins:
`config/base.yaml`, `config/<ENV>.yaml`, the environment variable, `make run ARGS="key=value"`.
A key that is not here stops the command, with the file and the key in the message; so does one that
comes with an answer which the project has not.

<!-- Written from the settings themselves by `nox -s docs`: change the source, not this page. -->
"""
Section = dict[str, Any]


def sections() -> dict[str, Section]:
    """Every section by its name, with the keys that any of the renderings has."""
    found: dict[str, Section] = {}
    for _, says in introspect.everything():
        for name, section in says["sections"].items():
            found[name] = _merged(found[name], section) if name in found else section
    return found


def _merged(first: Section, second: Section) -> Section:
    known = {field["key"]: field for field in first["fields"]}
    for field in second["fields"]:
        old = known.get(field["key"])
        if old and old["section"] and field["section"]:
            old["section"] = _merged(old["section"], field["section"])
        elif old and old["type"] != field["type"]:
            parts = re.findall(r"`[^`]+`", f"{old['type']} {field['type']}")
            old["type"] = ", ".join(dict.fromkeys(parts)) or old["type"]
        known.setdefault(field["key"], field)
    return {**first, "fields": [*known.values()]}


def page() -> str:
    prefix = introspect.everything()[0][1]["prefix"]
    parts = [HEAD, "## All sections\n", "| section | holds |\n|---|---|"]
    for name, section in sections().items():
        says = " ".join(section["says"].split()) or "the keyword arguments of `train_model`"
        link = f"[`{name}`](#{name})" if section["fields"] else f"`{name}`"
        parts.append(f"| {link} | {re.split(r'[.:;] |[.]$', says)[0]} |")
    parts.append("")
    shown: dict[str, str] = {}
    waiting = [(name, section) for name, section in sections().items() if section["fields"]]
    while waiting:
        path, section = waiting.pop(0)
        if section["name"] in shown:
            first = shown[section["name"]]
            parts.append(f"## `{path}`\n\nThe same keys as [`{first}`](#{_anchor(first)}).\n")
            continue
        shown[section["name"]] = path
        parts.append(_section(path, section, prefix))
        inner = [(f"{path}.{f['key']}{f['holder']}", f["section"]) for f in section["fields"]]
        waiting = [each for each in inner if each[1]] + waiting
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(path: str, section: Section, prefix: str) -> str:
    """The heading, words and table of a section."""
    says = re.sub(r" ?See\s+docs/[\w-]+\.md\.", "", section["says"])
    lines = [f"## `{path}`\n", says + "\n", "| key | type | default | environment variable |"]
    lines.append("|---|---|---|---|")
    for field in section["fields"]:
        full = f"{path}.{field['key']}{field['holder']}"
        kind = f"[section](#{_anchor(full)})" if field["section"] else field["type"]
        variable = prefix + f"{path}.{field['key']}".replace(".", "__").upper()
        no_variable = "NAME" in path or "[]" in path or field["section"]
        lines.append(
            f"| `{field['key']}` | {kind} | {field['default']} | "
            f"{'' if no_variable else f'`{variable}`'} |"
        )
    return "\n".join([*lines, ""])


def _anchor(path: str) -> str:
    """The id that the site gives to a heading."""
    return re.sub(r"[^\w-]", "", path.lower())


if __name__ == "__main__":
    PAGE.write_text(page())
