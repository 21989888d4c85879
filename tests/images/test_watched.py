"""The image that looks for drift: what is in it, and in no other, and that it does so."""

import re
from typing import Any

import pytest

from support import engine
from support.engine import RESTRICTED, docker

pytestmark = pytest.mark.slow
MOST = {"pipeline": 1000, "serving": 350, "monitoring": 1400}  # megabytes, the base's 178 included
# Rows of the sample with every number moved.
MOVE = """
import sys
import polars as pl
from blueprint.data.sources import scan
rows = scan("sample", task="tabular-classification").collect()
moved = [pl.col(name) + rows[name].std() for name in rows.columns if name != "label"]
rows.with_columns(moved).drop("label").write_parquet(sys.argv[1])
"""


def test_only_the_monitoring_image_has_evidently(watched: Any) -> None:
    has = {kind for kind in watched.images if installed(watched.reference(kind), "evidently")}
    assert {*watched.images} == {"pipeline", "serving", "monitoring"}
    assert has == {"monitoring"}
    for name in ("pandas", "polars", "sklearn"):
        assert not installed(watched.reference("serving"), name)


def test_each_is_no_larger_than_it_must_be(watched: Any) -> None:
    sizes = {kind: image["megabytes"] for kind, image in watched.images.items()}
    print(sizes, end=" ")
    assert [kind for kind, size in sizes.items() if size > MOST[kind]] == []


def installed(image: str, package: str) -> bool:
    code = f"from importlib.util import find_spec; print(bool(find_spec({package!r})))"
    return docker("run", "--rm", *RESTRICTED, image, "python", "-c", code).strip() == "True"


def test_it_runs_as_anybody_and_nothing_of_its_build_is_left(watched: Any) -> None:
    image = watched.reference("monitoring")
    assert docker("run", "--rm", *RESTRICTED, image).strip() == "ready"
    assert engine.inspect(image)["Config"]["User"] == "10001:10001"
    assert not [path for path in engine.files(image) if re.search(engine.LEFT, path)]
    history = docker("history", "--no-trunc", "--format={{.CreatedBy}}", image)
    assert "secret@" not in history


def test_a_run_in_containers_looks_for_drift_in_it(watched: Any) -> None:
    watched.project.run_python("-c", MOVE, "moved.parquet")
    given = "drift.source=path drift.path=moved.parquet"
    done = watched.project.make(
        "run", "PIPELINE=monitoring", "RUNNER=docker", f"ARGS={given}", timeout=600
    )
    assert re.search(r"drift: \d+ of \d+ features\s+moved", done.stdout)
    assert "retraining.enabled is false" in done.stdout
    assert not (watched.project.path / ".venv" / "monitoring").exists(), "it was installed here"
