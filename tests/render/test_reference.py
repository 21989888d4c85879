"""The reference pages of settings and commands are what renderings say of themselves."""

from types import ModuleType

import pytest

from tools import cli_page, introspect, settings_page


@pytest.mark.parametrize("module", [settings_page, cli_page], ids=lambda m: m.__name__)
def test_a_reference_page_is_up_to_date(module: ModuleType) -> None:
    assert module.PAGE.read_text() == module.page(), "write it again with `make docs`"


def test_the_settings_are_read_in_depth() -> None:
    page = settings_page.page()
    for line in (
        "| `port` | whole number, ≥ 1, ≤ 65535 | `8080` | `MLOPS_SERVING__PORT` |",
        "| `columns` | [section](#datacolumnsname) |",
        "## `data.columns.NAME`",
        "## `gate.champion`",
    ):
        assert line in page


def test_every_answer_brings_its_sections_and_commands() -> None:
    assert {"data", "gate", "serving", "batch", "kubeflow"} <= settings_page.sections().keys()
    assert {"run", "serve", "batch", "doctor"} <= cli_page.commands().keys()
    assert all(says["commands"] for _, says in introspect.everything())
