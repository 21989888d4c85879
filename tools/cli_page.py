"""The page `docs/reference/cli.md`, read from the generated project's command lines.

`python -m tools.cli_page` writes it; a static test holds it up to date, and the test of the
tutorial compares it with `--help`. The source is parsed, not imported, as settings.py is.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

from support.questions import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
PACKAGE = ROOT / "template" / "src" / "{{package_name}}"
HEAD = """\
# Command line

What the Makefile calls: `.venv/bin/python -m PACKAGE.MODULE COMMAND`, in the project's folder.
`make TARGET` is the interface that is kept stable; this is for scripts that cannot use make. The
environment variable `MLOPS_ENV` names the configuration. A command exits with 0 when it did what it
says, with 1 after one line `error: …`, and with 2 for an option that it does not know.

<!-- Written from cli.py and its like by `nox -s docs`: change the source, not this page. -->
"""


@dataclass(frozen=True)
class Command:
    """A command of a Typer application; parameters are (how it is written, its help)."""

    name: str
    said: str
    parameters: list[tuple[str, str]]


def modules() -> list[Path]:
    """The modules that have a Typer application, the main one first."""
    found = [path for path in PACKAGE.glob("*.py*") if "typer.Typer(" in path.read_text()]
    return sorted(found, key=lambda path: (path.name != "cli.py", path.name))


def name_of(module: Path) -> str:
    """`cluster` of `{% if platform == 'kubeflow' %}cluster.py{% endif %}`."""
    return module.name.split(".py")[0].split("%}")[-1]


def commands(module: Path) -> list[Command]:
    tree = ast.parse(module.read_text())
    aliases = {
        node.targets[0].id: node.value
        for path in {PACKAGE / "cli.py", module}
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "app.command":
                name = call.args[0].value if call.args else node.name.replace("_", "-")  # type: ignore[attr-defined]
                said = " ".join((ast.get_docstring(node) or "").split())
                found.append(Command(name, said, _parameters(node, aliases)))
    return found


def _parameters(function: ast.FunctionDef, aliases: dict[str, ast.expr]) -> list[tuple[str, str]]:
    arguments = function.args.args
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
    rows = []
    for argument, default in zip(arguments, [*defaults, *function.args.defaults], strict=True):
        annotation = argument.annotation
        if isinstance(annotation, ast.Name):
            annotation = aliases[annotation.id]
        assert isinstance(annotation, ast.Subscript), f"{function.name}: {argument.arg}"
        kind, call = annotation.slice.elts[:2]  # type: ignore[attr-defined]
        rows.append(_parameter(argument.arg, kind, call, default))
    return rows


def _parameter(
    name: str, kind: ast.expr, call: ast.Call, default: ast.expr | None
) -> tuple[str, str]:
    words = {key.arg: ast.literal_eval(key.value) for key in call.keywords}
    value = ast.unparse(default) if default is not None else "None"
    text = str(words.get("help", ""))
    if ast.unparse(call.func).endswith("Argument"):
        shown = str(words.get("metavar", name.upper()))
        return shown if default is None or "metavar" in words else f"[{shown}]", text
    option = "--" + name.replace("_", "-")
    if call.args:
        return ast.literal_eval(call.args[0]), text
    if ast.unparse(kind) == "bool":
        return f"{option} / --no-{option[2:]}", f"{text} (default {value.lower()})"
    if value.strip("'\"") not in ("None", ""):
        plain = value.removeprefix("Path(").removesuffix(")").strip("'\"")
        text += f" (default {plain})"
    return f"{option} {name.upper()}", text


def page() -> str:
    parts = [HEAD]
    for module in modules():
        where = "" if "{%" not in module.name else f" (`{_condition(module)}`)"
        parts.append(f"## `PACKAGE.{name_of(module)}`{where}\n")
        for command in commands(module):
            parts += [f"### `{command.name}`" + ("" if not where else f" of `{name_of(module)}`")]
            parts += ["", command.said, ""]
            if command.parameters:
                parts += ["| | |", "|---|---|"]
                parts += [f"| `{shown}` | {text} |" for shown, text in command.parameters] + [""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _condition(module: Path) -> str:
    """`platform: kubeflow` of a conditional name."""
    condition = module.name.split("{% if ")[1].split(" %}")[0]
    return condition.replace(" == ", ": ").replace("'", "")


if __name__ == "__main__":
    PAGE.write_text(page())
