"""Conditions of GitHub's workflows and GitLab's rules, as far as the template uses them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(
    r"""(?P<text>'[^']*'|"[^"]*")|(?P<name>\$\w+|[a-zA-Z_][\w-]*(?:\.[\w-]+)*)"""
    r"""|(?P<sign>&&|\|\||==|!=|!|[()])|\s+"""
)
SIGNS = {"&&": " and ", "||": " or ", "!": " not "}
PLACE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def evaluate(expression: str, look_up: Callable[[str], Any]) -> Any:
    """The value of an expression; `look_up` knows its names. Raises ValueError for other syntax."""
    python, end = "", 0
    while end < len(expression):
        match = TOKEN.match(expression, end)
        if not match:
            raise ValueError(f"what is {expression[end:]!r} in {expression!r}?")
        end = match.end()
        if match["name"] in ("true", "false", "null"):
            python += {"true": "True", "false": "False", "null": "None"}[match["name"]]
        elif match["name"]:
            python += f"look_up({match['name']!r})"
        elif match["text"]:
            python += repr(match["text"][1:-1])
        elif match["sign"]:
            python += SIGNS.get(match["sign"], match["sign"])
    return eval(python, {"look_up": look_up})


def in_contexts(contexts: Mapping[str, Any]) -> Callable[[str], Any]:
    """GitHub's names: `github.event.number` is nested mappings; what is not there is null."""

    def look_up(name: str) -> Any:
        value: Any = contexts
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return look_up


def fill_in(text: str, contexts: Mapping[str, Any]) -> str:
    """A text of a workflow with its `${{ … }}` replaced, as GitHub writes values."""

    def show(match: re.Match[str]) -> str:
        value = evaluate(match[1].strip(), in_contexts(contexts))
        return {None: "", True: "true", False: "false"}.get(value, str(value))

    return PLACE.sub(show, text)


def holds(condition: Any, contexts: Mapping[str, Any]) -> bool:
    """Whether GitHub runs what has this `if`; what has none is run."""
    if condition is None:
        return True
    whole = PLACE.fullmatch(str(condition).strip())
    return bool(evaluate(whole[1].strip() if whole else str(condition), in_contexts(contexts)))
