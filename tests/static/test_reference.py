"""The reference page of make's targets is that of the Makefile."""

from tools import make_page


def test_the_reference_page_is_up_to_date() -> None:
    assert make_page.PAGE.read_text() == make_page.page(), "write it again with `make docs`"


def test_an_answer_that_adds_targets_is_on_the_page() -> None:
    assert ("platform", "kubeflow") in make_page.deciding()
    assert "make submit" in make_page.PAGE.read_text()
