"""The page `docs/reference/cluster.md`: what ran on a real cluster, on which, and what never did.

`nox -s cluster -- --write` runs the tests and writes it, from a record that is kept in
tests/cluster/results.json; `python -m tools.cluster_page` writes it of that record alone. A static
test wants a row for every test, so a new one must be run before it is written.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from support.questions import ROOT

PAGE = ROOT / "docs" / "reference" / "cluster.md"
TESTS = ROOT / "tests" / "cluster"
RECORD = TESTS / "results.json"
Key = tuple[str, str]  # the file and the name of a test


@dataclass(frozen=True)
class Result:
    """How a test ended: its cases, how many failed, their seconds, the day, the cluster's parts."""

    cases: int
    failed: int
    seconds: int
    at: str
    on: dict[str, str]


@dataclass(frozen=True)
class Missing:
    """What no test has run on a cluster, why, and what is there instead."""

    what: str
    why: str
    instead: str


NOT_RUN = (
    Missing(
        "KServe 0.21 or newer: a canary that gets its share, the gate up and down, promotion",
        "nobody has had it here; 0.20.0 never moves the weights",
        "the same code moves the weights of an HTTPRoute; the workflow `nightly.yml` has a job "
        "with the newest KServe, which is written, linted and has not run",
    ),
    Missing(
        "kind, and that workflow's jobs",
        "needs docker and images from the internet",
        "a cluster of the same programs, built from source, with one node",
    ),
    Missing(
        "Kubeflow Pipelines' own backend",
        "it is images alone",
        "the compiled pipeline is executed by Jobs, which take image, command, environment, "
        "secrets, volumes and service account from the compiled file; `KFP_ENDPOINT` puts a real "
        "one into the same tests; its API is a fake over HTTP",
    ),
    Missing(
        "GKE, EKS, AKS: identities of pods, buckets, load balancers",
        "needs accounts",
        "manifests by schema and by dry run; models are fetched from a server that speaks S3 and "
        "from a stand-in of Google's; no test has fetched one from Azure's",
    ),
    Missing(
        "a NetworkPolicy in force",
        "the cluster accepts them and has no network that enforces them",
        "they are checked by schema, and by what selects what",
    ),
    Missing(
        "several nodes: spread, and a drain that moves pods to another",
        "there is one node",
        "evictions against the PodDisruptionBudget, as `kubectl drain` asks for them",
    ),
    Missing(
        "Prometheus as the source of a canary's numbers",
        "the tests on the cluster read the servers' own /metrics",
        "queries and answers by the project's own tests, against an HTTP server",
    ),
    Missing(
        "an Ingress controller",
        "the gateway here has routes of the Gateway API alone",
        "server-side dry run of the component",
    ),
    Missing("Flagger", "it is another way, not a part", "a section of the project's deploy.md"),
)
# Files whose tests have run, and not to be written here, with the reason.
UNWRITTEN: dict[str, str] = {}
HEAD = """\
# What ran on a real cluster

<!-- Written by `nox -s cluster -- --write`, which runs the tests: do not change this page. -->

A project is deployed by its own make targets and asked by clients, on a cluster that is named by
`KUBECONFIG`. Each row is a test of `tests/cluster`, as it ended when it was last run to be written
here: on that day, with those versions, as the cluster says them.

"""
TABLE = "| test | cases | seconds | day | on |\n|---|---|---:|---|---|\n"
LISTED = """
## What has not been run

| what | why | instead |
|---|---|---|
"""


def read() -> dict[Key, Result]:
    """The record; empty before the first time."""
    if not RECORD.exists():
        return {}
    loaded = json.loads(RECORD.read_text())
    return {
        (file, name): Result(**each) for file, of in loaded.items() for name, each in of.items()
    }


def write(results: Mapping[Key, Result]) -> None:
    """Keep the results of the tests that there are, and write the page."""
    record: dict[str, dict[str, object]] = {}
    for file, name in tests():
        if (file, name) in results:
            record.setdefault(file, {})[name] = asdict(results[file, name])
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(read()))


def tests() -> Iterator[Key]:
    """Every test of tests/cluster, in the order of the files."""
    for path in sorted(TESTS.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield path.name, node.name


def page(results: Mapping[Key, Result]) -> str:
    """The page. Where the cluster was the same, it is named once, by a letter."""
    clusters = list(dict.fromkeys(_parts(each.on) for each in results.values()))
    lines = [f"- **{_letter(index)}**: {parts}\n" for index, parts in enumerate(clusters)]
    files: dict[str, list[str]] = {}
    for (file, name), each in results.items():
        words = name.removeprefix("test_").replace("_", " ")
        passed = f"{each.cases - each.failed} of {each.cases} passed"
        cases = f"**{passed}**" if each.failed else passed
        cells = [words, cases, f"{each.seconds}", each.at, _letter(clusters.index(_parts(each.on)))]
        files.setdefault(file, []).append(f"| {' | '.join(cells)} |\n")
    tables = [f"\n## {file}\n\n{TABLE}{''.join(rows)}" for file, rows in files.items()]
    unwritten = [
        f"\n## {file}\n\nNot written here yet: {why}.\n" for file, why in UNWRITTEN.items()
    ]
    missing = [f"| {each.what} | {each.why} | {each.instead} |\n" for each in NOT_RUN]
    return "".join([HEAD, *lines, *tables, *unwritten, LISTED, *missing])


def _parts(on: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in on.items())


def _letter(index: int) -> str:
    return chr(ord("A") + index)


if __name__ == "__main__":
    PAGE.write_text(page(read()))
