"""The model card: the same content as a page, as Markdown and in short."""

import json
import re
import shlex
from importlib import metadata

import pytest

from blueprint import settings
from blueprint.errors import UserError
from blueprint.evaluation import report
from blueprint.evaluation.report import summarize
from blueprint.evaluation.report.blocks import Block, Section, Table
from blueprint.registry import models


@pytest.fixture
def project(registry, folder):
    """The project's configuration, with the test's registry."""
    values = {"tracking_uri": registry.uri, "name": registry.name}
    return settings.load("test", [f"registry.{key}={value}" for key, value in values.items()])


def test_a_version_has_a_card_that_says_all_of_it(registry, evaluate, project):
    more = {
        "confidence": 0.95,
        "intervals": {"rmse": [0.4, 0.6]},
        "slices": [{"name": "town=<b>Ulm", "rows": 7, "metrics": {"rmse": 0.75}}],
        "latency_ms": 0.25,
    }
    evaluated = evaluate(1.0, **more)
    evaluated.register(registry)

    page = models.card(project, "1")

    assert {file.name for file in page.parent.iterdir()} == {
        "card.html",
        "card.md",
        "report.html",
        "request.json",
        "sbom.cdx.json",
    }
    bill = json.loads(page.with_name("sbom.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == "1"
    versions = {each["name"]: each["version"] for each in bill["components"]}
    assert versions["onnxruntime"] == metadata.version("onnxruntime")
    text, markdown = page.read_text(), page.with_name("card.md").read_text()
    for words in (
        "Accepted",
        "Every rule passed",
        "0.4000 to 0.6000",
        "0.7500",
        "0.25 ms",
        "1000",
        "beef",
        "7e57",
        "abc1234-dirty",
        "f00d" * 16,
        evaluated.run_id,
        evaluated.verdict["facts"]["model.sha256"],
        "report.html",
        "town",
        "seed",
    ):
        assert words in text, words
        assert words in markdown, words
    assert "<span>version 1</span>" in text
    assert page.with_name("report.html").read_text() == "<html><span>version 1</span></html>"
    assert "<b>" not in text
    assert "town=\\<b\\>Ulm" in markdown
    assert "rmse ≤ 1 \\| 2" in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert not re.search(r"<script|https?://(?!127\.0\.0\.1)", text)


def test_the_example_is_what_the_model_answers(registry, evaluate, project):
    evaluate(2.0).register(registry)

    page = models.card(project, "1")

    blocks = re.findall(r"```\n(.*?)\n```", page.with_name("card.md").read_text(), re.DOTALL)
    command, answer = blocks
    curl = shlex.split(command.replace("\\\n", ""))
    body = json.loads(curl[curl.index("-d") + 1])
    assert curl[1].endswith(f"/v1/models/{registry.name}:predict")
    assert body == {"instances": [{"age": 41.5, "town": "it's Ulm"}]}
    assert body == json.loads(page.with_name("request.json").read_text())
    assert json.loads(answer) == {"predictions": [83.0]}


def test_the_short_card_is_the_description(registry, evaluate):
    evaluate(1.0).register(registry)

    description = registry.client.get_model_version(registry.name, "1").description

    assert description.startswith("## Accepted\n\nEvery rule passed.")
    assert "report.html" not in description
    assert len(description) <= 5000


def test_a_description_ends_with_a_whole_section():
    sections = [
        Section("First", ["x" * 60]),
        Section("Second", [Table(("name",), [("y" * 60,)])]),
    ]

    assert len(report._short(sections, 160, "More.")) <= 160
    assert "Second" not in report._short(sections, 160, "More.")
    assert "Second" in report._short(sections, 1000, "More.")


def test_a_summary_sets_a_model_beside_the_champion(registry, evaluate):
    evaluate(1.0).register(registry)
    evaluated = evaluate(1.5)

    text = summarize(evaluated.verdict)

    assert text.startswith(
        "## Accepted\n\n" if evaluated.verdict["accepted"] else "## Rejected\n\n"
    )
    assert "| Metric | This model | Champion (version 1) |" in text
    assert "]( " not in text and "](report" not in text
    assert evaluated.verdict["facts"]["git.commit"] in text


def test_a_fence_holds_what_looks_like_its_end():
    text = report._markdown(Section("s", [Block("code", "a\n```\nb")]))

    assert "````\na\n```\nb\n````" in text


def test_a_version_without_a_card_is_said(registry, evaluate, project):
    evaluated = evaluate(1.0)
    registry.register(evaluated.run_id, {})

    with pytest.raises(
        UserError, match=f"1 has no card; `make ui` shows its run {evaluated.run_id}"
    ):
        models.card(project, "1")
