"""What ran on a cluster is written by the run: no test without its row, no row without its test."""

from tools import cluster_page

ADVICE = "run it: nox -s cluster -- --write -k NAME"


def test_every_test_of_the_cluster_was_run_and_written() -> None:
    recorded = cluster_page.read()
    there = [*cluster_page.tests()]
    missing = {key for key in there if key not in recorded}
    assert {key for key in missing if key[0] not in cluster_page.UNWRITTEN} == set(), ADVICE
    assert {file for file, _ in missing} == {*cluster_page.UNWRITTEN}, "nothing of it is missing"
    assert recorded.keys() <= {*there}, "python -m tools.cluster_page"


def test_the_page_is_that_of_the_record() -> None:
    expected = cluster_page.page(cluster_page.read())
    assert cluster_page.PAGE.read_text() == expected, "python -m tools.cluster_page"


def test_a_test_that_failed_is_shown_so() -> None:
    on = {"Kubernetes": "1.34.4"}
    result = cluster_page.Result(cases=3, failed=1, seconds=5, at="2026-11-27", on=on)
    text = cluster_page.page({("test_x.py", "test_it_works"): result})
    assert "| it works | **2 of 3 passed** | 5 | 2026-11-27 | A |" in text
    assert "- **A**: Kubernetes 1.34.4" in text
