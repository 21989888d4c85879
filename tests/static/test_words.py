"""Plain words: what is on the list of tests/static/words.yml is used no more than it was."""

import pytest

from tools import words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The gate judges a model.", ["judges"]),
        ("def refuse_untrainable(): ...  # Refused", ["refuse", "Refused"]),
        ("recommends amendments", []),
        ("extra_columns: refuse", []),
    ],
)
def test_the_words_are_seen(text: str, found: list[str]) -> None:
    assert words.uses(text) == found


def test_no_file_uses_more_of_them_than_it_did() -> None:
    known = words.rules()["uses"] or {}
    more = {
        name: f"{number}, was {known.get(name, 0)}"
        for name, number in words.counted().items()
        if number > known.get(name, 0)
    }
    assert not more, "say it in plain words; tests/static/words.yml has them"
