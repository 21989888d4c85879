"""The generated reference pages are those of the sources, and the readers of the sources read."""

import ast
from types import ModuleType

import pytest

from tools import cli_page, make_page, settings_page


@pytest.mark.parametrize("module", [settings_page, make_page, cli_page], ids=lambda m: m.__name__)
def test_a_reference_page_is_up_to_date(module: ModuleType) -> None:
    assert module.PAGE.read_text() == module.page(), "write it anew with `make docs`"


def test_the_settings_are_read_in_depth() -> None:
    source = settings_page.Source('''
ENV_PREFIX = "X_"
Cores = Annotated[str, _matching(r"[0-9]+", "a number of cores")]
class Inner(Section):
    """What is inside."""
    level: Annotated[float, Field(ge=0, lt=1)] = 0.5
class Settings(BaseSettings):
    """All."""
    kind: Literal["a", "b"] | None = None
    cores: Cores | None = None
    inner: Inner = Inner()
''')
    kinds = {field.target.id: source.type(field.annotation) for field in source.fields("Settings")}
    assert kinds["kind"] == "`a`, `b`"
    assert kinds["cores"] == "a number of cores"
    (level,) = source.fields(source.inner(source.fields("Settings")[2].annotation))
    assert source.type(level.annotation) == "number, ≥ 0, < 1"


def test_every_section_and_key_of_the_settings_is_on_the_page() -> None:
    page = settings_page.PAGE.read_text()
    tree = ast.parse(settings_page.SOURCE.read_text())
    bases = settings_page.SECTION_CLASSES
    for node in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        if {ast.unparse(base) for base in node.bases} & bases:
            for field in [item for item in node.body if isinstance(item, ast.AnnAssign)]:
                assert f"`{ast.unparse(field.target)}`" in page


def test_an_answer_that_adds_targets_is_on_the_page() -> None:
    assert ("platform", "kubeflow") in make_page.deciding()
    assert "make submit" in make_page.PAGE.read_text()


def test_every_command_line_is_on_the_page() -> None:
    assert [cli_page.name_of(module) for module in cli_page.modules()][:2] == ["cli", "cluster"]
    listed = {command.name for command in cli_page.commands(cli_page.modules()[0])}
    assert {"run", "compile", "stack-down"} <= listed
