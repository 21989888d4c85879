"""Jinja stays in the index files, within its budget."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from support.questions import ROOT
from support.rendering import tracked_files

TEMPLATE = Path("template")
BUDGET = {
    "template/pyproject.toml.jinja": 12,
    "template/config/base.yaml.jinja": 12,
    "template/Makefile.jinja": 11,
    "template/README.md.jinja": 10,
}
SOURCES = [path for path in tracked_files() if path.is_relative_to(TEMPLATE)]
INDEXES = [path for path in SOURCES if path.suffix == ".jinja"]
# The project's own Jinja: the report's page and the texts beside it.
BLUEPRINT = TEMPLATE / "src" / "blueprint"
PAGES = [p for p in SOURCES if p.is_relative_to(BLUEPRINT) and re.search(r"\.(html|md)\b", p.name)]
PLAIN_PYTHON = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name)


def tree(path: Path) -> nodes.Template:
    return Environment().parse((ROOT / path).read_text())


def depth(node: nodes.Node) -> int:
    """How deep conditions and loops lie in each other. An `elif` is no deeper than its `if`."""
    deepest = max((depth(child) for child in node.iter_child_nodes()), default=0)
    if not isinstance(node, nodes.If | nodes.For | nodes.CondExpr):
        return deepest
    if isinstance(node, nodes.If):
        inner = max((depth(child) for child in [*node.body, *node.else_]), default=0)
        chained = max((depth(branch) for branch in node.elif_), default=0)
        return max(inner + 1, chained)
    return deepest + 1


def ifs(node: nodes.Node) -> int:
    return sum(1 for _ in node.find_all((nodes.If, nodes.CondExpr)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% if a %}x{% elif b %}y{% endif %}{{ 1 if c else 2 }}", (3, 1)),
        ("{% if a %}{% if b %}x{% endif %}{% endif %}", (2, 2)),
        ("{% for a in b %}{{ a }}{% endfor %}", (0, 1)),
        ("{{ a }}", (0, 0)),
    ],
)
def test_the_counts_count(text: str, expected: tuple[int, int]) -> None:
    parsed = Environment().parse(text)
    assert (ifs(parsed), depth(parsed)) == expected


@pytest.mark.parametrize("path", INDEXES, ids=str)
def test_an_index_keeps_to_its_budget(path: Path) -> None:
    parsed = tree(path)
    assert ifs(parsed) <= BUDGET.get(str(path), 8)
    assert depth(parsed) <= 1


@pytest.mark.parametrize("path", [p for p in INDEXES if p.name.endswith(".py.jinja")], ids=str)
def test_python_is_never_branched(path: Path) -> None:
    parsed = tree(path)
    kinds = {type(node) for node in parsed.find_all(nodes.Node)} - set(PLAIN_PYTHON)
    assert not kinds
    assert {node.name for node in parsed.find_all(nodes.Name)} == {"package_name"}, (
        "a .py.jinja holds {{ package_name }} and nothing else; without it, drop the .jinja"
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if p not in INDEXES + PAGES], ids=str)
def test_a_leaf_holds_no_jinja(path: Path) -> None:
    text = (ROOT / path).read_bytes().decode(errors="replace")
    assert not re.search(r"\{%-?\s*(if|for|include|set|raw)\b|\{\{-?\s*(package|project)_", text)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_conditional_name_is_one_plain_condition(path: Path) -> None:
    """`{% if keras %}train.py{% endif %}`: one `if` on one name, and `.jinja` outside it."""
    for part in path.parts:
        parsed = Environment().parse(part)
        assert '"' not in part, "single quotes in names"
        assert ifs(parsed) <= 1
        assert depth(parsed) <= 1
        for condition in parsed.find_all(nodes.If):
            assert isinstance(condition.test, nodes.Name | nodes.Compare)
            assert part.endswith(("{% endif %}", "{% endif %}.jinja"))
