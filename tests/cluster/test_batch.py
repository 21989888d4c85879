"""The batch pipeline's compiled spec, executed by pods: rows of files to files, and what is wrong
with one of them."""

import csv
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import pods
from support.project import Project, environment

pytestmark = pytest.mark.slow
ROWS = 250
READ = """
import sys
import polars as pl
scored = pl.read_parquet(sys.argv[1])
print(scored.select("number", "prediction", "probability").write_json())
"""


@dataclass(frozen=True)
class Room:
    """A namespace, and the folder that its pods have as the pipeline's root."""

    project: Project
    namespace: str
    root: Path

    def score(self, source: Path, output: str, **arguments: Any) -> dict[str, Any]:
        """Run the pipeline to its end; its one step: how it ended, how often it was tried, what it
        printed last."""
        given = {"input_uri": str(source), "output_uri": output, **arguments}
        file = "build/batch_prediction.yaml"
        done = subprocess.run(
            pods.running(self.project, self.namespace, self.root, file, given),
            cwd=self.project.path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        steps = json.loads((self.root / "steps.json").read_text())
        assert {each["step"] for each in steps} == {"score_rows"}, done.stdout + done.stderr
        last = steps[-1]
        print(last["log"])
        return {"code": done.returncode, "tries": len(steps), **last}

    def read(self, path: Path) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.project.run_python("-c", READ, str(path)))
        return found


@pytest.fixture
def room(prepared: tuple[Project, str], tmp_path: Path) -> Iterator[Room]:
    """The pipelines compiled as for staging; namespaces here ask for users that are not root."""
    project, _ = prepared
    project.make("compile", "ENV=staging", "ARGS=pipeline.every.run_as_non_root=true")
    with pods.room(tmp_path) as (namespace, root):
        yield Room(project, namespace, root)


@pytest.fixture
def rows(room: Room, instance: str) -> Path:
    """A file of rows as clients send them, each with a number of its own."""
    row, path = json.loads(instance), room.root / "new.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*row, "number"])
        writer.writeheader()
        writer.writerows(row | {"number": f"{number:03}"} for number in range(ROWS))
    path.chmod(0o644)
    return path


def test_pods_score_every_row_with_the_champion_or_a_version(room: Room, rows: Path) -> None:
    for arguments, version in (({}, "3"), ({"version": "1"}, "1")):
        output = room.root / f"scores-{version}.parquet"
        done = room.score(rows, str(output), **arguments)
        assert (done["code"], done["state"], done["tries"]) == (0, "succeeded", 1)
        assert f"version {version}" in done["log"]
        scored = room.read(output)
        assert [each["number"] for each in scored] == [f"{n:03}" for n in range(ROWS)]
        assert all(each["prediction"] and 0 < each["probability"] <= 1 for each in scored)
        record = json.loads(output.with_name(f"{output.name}.json").read_text())
        assert (record["plan"]["version"], record["rows"]) == (version, ROWS)


def test_each_run_of_a_schedule_has_an_output_of_its_own(room: Room, rows: Path) -> None:
    done = room.score(rows, f"{room.root}/scores/{{run}}/")
    assert done["code"] == 0
    [folder] = (room.root / "scores").iterdir()
    assert "{" not in folder.name
    assert len(room.read(folder / "part-000000.parquet")) == ROWS


def test_a_row_that_does_not_fit_fails_the_run_and_is_named(room: Room, rows: Path) -> None:
    lines = rows.read_text().splitlines()
    cells = lines[100].split(",")
    lines[100] = ",".join(["many", *cells[1:]])
    rows.write_text("\n".join(lines) + "\n")
    output = room.root / "scores.parquet"
    done = room.score(rows, str(output))
    assert (done["code"], done["state"]) == (1, "failed")
    assert done["tries"] == 3, "a step is tried twice more"
    assert "in row 100 ('many')" in done["log"]
    assert not output.exists()
