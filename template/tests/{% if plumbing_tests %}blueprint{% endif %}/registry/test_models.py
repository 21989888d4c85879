"""`make models`: one line a version, on terminals of any width."""

import io
import re

import pytest
from rich.console import Console

from blueprint import settings
from blueprint.registry import models


@pytest.fixture
def show(registry, folder, monkeypatch):
    """What the table looks like on a terminal of some width."""

    def shown(width, *overrides):
        out = io.StringIO()
        console = Console(file=out, width=width, highlight=False)
        monkeypatch.setattr(models, "Console", lambda **_: console)
        values = {"tracking_uri": registry.uri, "name": registry.name}
        given = [f"registry.{key}={value}" for key, value in values.items()]
        models.show(settings.load("test", [*given, *overrides]))
        return out.getvalue()

    return shown


@pytest.mark.parametrize("width", [80, 120])
def test_a_version_is_a_line_with_all_that_is_asked(width, show, registry, evaluate):
    evaluate(1.0).register(registry)
    evaluate(2.0, accepted=False).register(registry)

    text = show(width, "gate.champion.metric=rmse")

    assert max(map(len, text.splitlines())) <= width
    [newest] = re.findall(r"^ +2 .*$", text, re.MULTILINE)
    [oldest] = re.findall(r"^ +1 .*$", text, re.MULTILINE)
    assert re.search(r"1\.0000 .*rejected  beef +abc1234\+ +20\d\d-\d\d-\d\d", newest)
    assert re.search(r"0\.5000 .*accepted  beef +abc1234\+ +champion +20\d\d-\d\d-\d\d", oldest)
    assert "+ there were changes that no commit has" in text
    assert "is not in .mlops/store yet: `make promote VERSION=1`" in " ".join(text.split())


def test_a_narrow_terminal_leaves_metrics_out_and_no_version(show, registry, evaluate):
    evaluate(1.0).register(registry)
    floors = [f"gate.floors.a_rather_long_metric_{k}=1" for k in range(5)]

    text = show(80, "gate.champion.metric=rmse", *floors)

    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"1 .*0\.5000 .*accepted .*champion", text)
