"""The page `docs/reference/settings.md`, read from the generated project's `settings.py`.

`python -m tools.settings_page` writes it; a static test holds it up to date. The source is
parsed, not imported: what it imports is installed in generated projects only.
"""

import ast
import re

from support.questions import ROOT

PAGE = ROOT / "docs" / "reference" / "settings.md"
SOURCE = ROOT / "template" / "src" / "{{package_name}}" / "settings.py"
ROOT_CLASS, SECTION_CLASSES = "Settings", {"Section", "BaseSettings"}
BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "min_length": "not empty"}
PLAIN = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
PLAIN |= {"Path": "path", "list": "list", "dict": "mapping", "None": "unset"}
HEAD = """\
# Settings

Every key that a project's `config/*.yaml` may hold, with its type and its default in the code;
`config/base.yaml` of a project sets some of them to what its answers ask for. A later layer wins:
`config/base.yaml`, `config/<ENV>.yaml`, the environment variable, `make run ARGS="key=value"`.
A key that is not here stops the command, with the file and the key in the message.

<!-- Written from settings.py by `nox -s docs`: change settings.py, not this page. -->
"""


class Source:
    """`settings.py` as a tree: its sections, and the names that stand for types."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self.sections = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and any(
                isinstance(base, ast.Name) and base.id in SECTION_CLASSES for base in node.bases
            )
        }
        self.names = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        self.prefix = ast.literal_eval(self.names["ENV_PREFIX"])

    def fields(self, section: str) -> list[ast.AnnAssign]:
        body = self.sections[section].body
        return [n for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]

    def inner(self, annotation: ast.AST) -> str:
        """The section that an annotation names: itself, or as the values of a list or mapping."""
        names = [n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)]
        return next((name for name in names if name in self.sections), "")

    def type(self, node: ast.AST) -> str:
        """An annotation in words."""
        match node:
            case ast.Constant(value=None):
                return "unset"
            case ast.Name(id=name) if name in PLAIN:
                return PLAIN[name]
            case ast.Name(id=name) if name in self.names:
                return self.type(self.names[name])
            case ast.BinOp(op=ast.BitOr()):
                kinds = [self.type(side) for side in (node.left, node.right)]
                return " or ".join(kind for kind in kinds if kind != "unset")
            case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
                listed = values.elts if isinstance(values, ast.Tuple) else [values]
                return ", ".join(f"`{ast.literal_eval(value)}`" for value in listed)
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *rest])):
                return self._annotated(kind, rest)
            case ast.Subscript(value=ast.Name(id="list"), slice=kind):
                return f"list of {self._each(kind)}"
            case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
                return f"mapping of {self._each(key)} to {self._each(value)}"
        return ast.unparse(node)

    def _each(self, node: ast.AST) -> str:
        return "a section" if self.inner(node) else self.type(node)

    def _annotated(self, kind: ast.AST, rest: list[ast.expr]) -> str:
        words, bounds = self.type(kind), []
        for call in rest:
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id == "_matching":  # says in words what it expects
                words = ast.literal_eval(call.args[1])
            for keyword in call.keywords:
                if keyword.arg == "pattern":
                    bounds.append(f"matches `{ast.literal_eval(keyword.value)}`")
                elif keyword.arg in BOUNDS:
                    bounds.append(BOUNDS[keyword.arg].format(ast.unparse(keyword.value)))
        return ", ".join([words, *dict.fromkeys(bounds)])


def page() -> str:
    source = Source(SOURCE.read_text())
    parts, waiting = [HEAD], [("", field) for field in source.fields(ROOT_CLASS)]
    parts.append("## All sections\n")
    parts.append("| section | holds |\n|---|---|")
    for _, field in waiting:
        inner = source.inner(field.annotation)
        said = _docstring(source, inner) if inner else "the keyword arguments of `train_model`"
        name = field.target.id  # type: ignore[union-attr]
        link = f"[`{name}`](#{name})" if inner else f"`{name}`"
        parts.append(f"| {link} | {re.split(r'[.:;] |[.]$', said)[0]} |")
    parts.append("")
    shown: dict[str, str] = {}
    while waiting:
        above, field = waiting.pop(0)
        inner = source.inner(field.annotation)
        if not inner:
            continue
        path = above + field.target.id + _holder(field.annotation)  # type: ignore[union-attr]
        if inner in shown:
            first = shown[inner]
            parts.append(f"## `{path}`\n\nThe same keys as [`{first}`](#{_anchor(first)}).\n")
            continue
        shown[inner] = path
        section, below = _section(source, inner, path)
        parts.append(section)
        waiting = below + waiting
    return "\n".join(parts).rstrip("\n") + "\n"


def _holder(annotation: ast.AST) -> str:
    """How keys of a section go on below a mapping or a list of them."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return {"dict": ".NAME", "list": "[]"}.get(node.value.id, "")
    return ""


def _docstring(source: Source, section: str) -> str:
    return " ".join((ast.get_docstring(source.sections[section]) or "").split())


def _section(source: Source, name: str, path: str) -> tuple[str, list[tuple[str, ast.AnnAssign]]]:
    """The heading, words and table of a section, and its fields that are sections of their own."""
    said = ast.get_docstring(source.sections[name]) or ""
    said = re.sub(r" ?See\s+docs/[\w-]+\.md\.", "", said)
    lines = [f"## `{path}`\n", said + "\n", "| key | type | default | environment variable |"]
    lines.append("|---|---|---|---|")
    below = []
    for field in source.fields(name):
        key = field.target.id  # type: ignore[union-attr]
        inner = source.inner(field.annotation)
        if inner:
            below.append((f"{path}.", field))
        holder = _holder(field.annotation) if inner else ""
        shown = f"{path}.{key}{holder}"
        kind = f"[section](#{_anchor(shown)})" if inner else source.type(field.annotation)
        variable = source.prefix + f"{path}.{key}".replace(".", "__").upper()
        in_list = "NAME" in path or "[]" in path or inner
        lines.append(
            f"| `{key}` | {kind} | {_default(field, inner)} | "
            f"{'' if in_list else f'`{variable}`'} |"
        )
    return "\n".join([*lines, ""]), below


def _default(field: ast.AnnAssign, inner: str) -> str:
    if field.value is None:
        return "needed"
    if isinstance(field.value, ast.Constant) and field.value.value is None:
        return "unset"
    if inner:
        return ""
    value = ast.literal_eval(field.value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`"


def _anchor(path: str) -> str:
    """The id that the site gives to a heading."""
    return re.sub(r"[^\w-]", "", path.lower())


if __name__ == "__main__":
    PAGE.write_text(page())
