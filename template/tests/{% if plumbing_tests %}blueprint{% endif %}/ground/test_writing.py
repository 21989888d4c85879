"""Values are written into their owner's YAML: all else stays, to the letter."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprint.errors import UserError
from blueprint.ground import writing

CONFIG = """\
# Staging.

vertex:
  project: example-project  # of Google Cloud
  pipeline_root: "gs://example-bucket/digits"
  labels: {team: ml}

# images: {registry: registry.example.com/team}  # where `make push` puts them

deploy:  # docs/endpoint.md
  note: |
    two
    lines
"""


def written(text: str, **values: Any) -> str:
    for key, value in writing.flat(values):
        text = writing.put(text, key, value, "config/staging.yaml")
    return text


def test_a_value_takes_the_old_ones_place_and_nothing_else_changes() -> None:
    after = written(CONFIG, vertex={"project": "acme", "pipeline_root": "gs://acme/digits"})
    expected = CONFIG.replace("example-project", "acme")
    assert after == expected.replace('"gs://example-bucket/digits"', "gs://acme/digits")


def test_a_new_key_comes_after_the_last_of_its_mapping() -> None:
    after = written(CONFIG, vertex={"service_account": "a@b"}, deploy={"service_account": "c@d"})
    assert "  labels: {team: ml}\n  service_account: a@b\n\n# images" in after
    assert after.endswith("    two\n    lines\n  service_account: c@d\n")


def test_a_new_section_comes_last_and_its_commented_example_stays() -> None:
    after = written(CONFIG, images={"registry": "here/digits"})
    assert after == f"{CONFIG}\nimages:\n  registry: here/digits\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: {}\n", "a: {b: {c: 1}}\n"),
        ("a: {x: 2} # kept\n", "a: {x: 2, b: {c: 1}} # kept\n"),
        ("a:\n", "a: {b: {c: 1}}\n"),
        ("a:\n  b: # none yet\n", "a:\n  b: {c: 1} # none yet\n"),
        ("a:\n  x: 2\n# last\n", "a:\n  x: 2\n  b:\n    c: 1\n# last\n"),
        ("a:\n  x: [1, 2] # two", "a:\n  x: [1, 2] # two\n  b:\n    c: 1"),
        (
            "a:\n  x:\n    - 1\n    - y: 2\nz: 3\n",
            "a:\n  x:\n    - 1\n    - y: 2\n  b:\n    c: 1\nz: 3\n",
        ),
        ("# nothing\n", "# nothing\n\na:\n  b:\n    c: 1\n"),
    ],
)
def test_every_form_of_a_mapping_takes_it(before: str, after: str) -> None:
    assert written(before, a={"b": {"c": 1}}) == after
    assert written(after, a={"b": {"c": 1}}) == after
    expected = yaml.safe_load(before) or {}
    expected["a"] = {**(expected.get("a") or {}), "b": {"c": 1}}
    assert yaml.safe_load(after) == expected


@pytest.mark.parametrize(
    "value", ["yes", "007", "a: b", "# c", "", "null", "1e3", "gs://b/c", True, 3]
)
def test_a_value_is_read_back_as_it_was(value: Any) -> None:
    for text in ("a: {b: 1}\n", "a:\n  b: 1\n", "a: {b: 007}\n", "{}\n"):
        assert yaml.safe_load(written(text, a={"b": value})) == {"a": {"b": value}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x {b: 1}\nc: *x\n", "c is an alias"),
        ("c: 5\n", "c has a value, not keys"),
        ("c:\n  b: {x: 1}\n", "c.b has keys, not a value"),
        ("[1]\n", "expected keys and values"),
    ],
)
def test_what_cannot_be_written_is_said(text: str, said: str) -> None:
    with pytest.raises(UserError, match=r"config/staging\.yaml") as error:
        written(text, c={"b": 2})
    assert said in str(error.value)


def test_what_is_not_there_yet_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("staging.yaml").write_text(CONFIG)
    values = {"staging.yaml": {"vertex": {"project": "acme"}, "registry": {"tracking_uri": None}}}
    writing.write(values, ["log in", {"role": "r"}])
    assert Path("staging.yaml").read_text() == CONFIG.replace("example-project", "acme")
    assert "staging.yaml: vertex.project is acme" in capsys.readouterr().out
    writing.write(values, [])
    assert capsys.readouterr().out == "staging.yaml says it already\n"
    with pytest.raises(UserError, match=r"none\.yaml is missing"):
        writing.write({"none.yaml": {}}, [])
