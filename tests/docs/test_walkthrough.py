"""The runner of pages: what a page says and is not so is found, each kind of it."""

from pathlib import Path

import pytest

from tools.walkthrough import PageError, Walk, difference, steps, walk

PAGE = """\
# A page

<!-- not run: it would take a day -->
```console
$ sleep 86400
```

```console
$ mkdir -p inner && cd inner
$ pwd | sed 's|.*/||'
inner
```

```yaml title="values.yaml"
a: 1
b: 2
```

```diff title="values.yaml"
 a: 1
-b: 2
+b: 3
```

```console
$ cat values.yaml \\
    | tail -n 1
b: 3
```

<!-- run: fails -->
```console
$ ls nowhere
…
```

<!-- run: background -->
```console
$ echo 'ready on port 8080'; sleep 60
ready on port 8080
```
"""


def failures(text: str, folder: Path) -> list[str]:
    page = folder / "page.md"
    page.write_text(text)
    with Walk(folder) as walking:
        return walk(page, walking)


def test_a_true_page_holds(tmp_path: Path) -> None:
    assert failures(PAGE, tmp_path) == []


def test_every_block_of_a_page_is_found() -> None:
    kinds = [step.kind for step in steps(PAGE)]
    assert kinds == ["command"] * 2 + ["file", "edit"] + ["command"] * 3
    assert PAGE.splitlines()[steps(PAGE)[1].line - 1].startswith("$ pwd")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("\ninner\n", "\nouter\n", "line 10"), ("\nb: 3\n```", "\nb: 4\n```", "+b: 3")],
)
def test_another_output_is_found_and_written(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    (found,) = failures(PAGE.replace(old, new), tmp_path)
    assert words in found
    with Walk(tmp_path) as walking:
        walk(tmp_path / "page.md", walking, write=True)
    assert (tmp_path / "page.md").read_text() == PAGE


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("$ mkdir -p inner", "$ mkdir --nonsense", "exit code"),
        ("$ ls nowhere", "$ true", "exit code 0"),
        ("-b: 2", "-b: 5", "values.yaml does not hold"),
        ("sleep 60", "sleep 0", "ended"),
    ],
)
def test_what_cannot_be_done_is_said(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in PAGE
    with pytest.raises(PageError, match=words):
        failures(PAGE.replace(old, new), tmp_path)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("done in 3.1 s", "done in 12 s", True),
        ("✓ train_model   3.1 s", "✓ train_model  13.1 s", True),
        ("on 2026-01-02 at 1a2b3c4", "on 2026-11-12 at 99ffee0", True),
        ("accuracy 0.9833", "accuracy 0.9750", True),
        ("accuracy 0.9833", "accuracy 0.9250", False),
        ("120 rows", "121 rows", False),
        ("first\n…\nlast", "first\na\nb\nlast", True),
        ("first\n…\nlast", "first\na\nb", False),
        ("kept … there", "kept all of it there", True),
        ("accepted", "rejected", False),
        ("", "a warning", False),
    ],
)
def test_what_counts_as_equal(expected: str, actual: str, same: bool) -> None:
    ends = [f"{text}\n" if text else "" for text in (expected, actual)]
    assert (difference(*ends) == "") is same
