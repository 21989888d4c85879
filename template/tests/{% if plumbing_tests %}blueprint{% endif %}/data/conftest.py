"""The same rows for every source, and what is made of them."""

import polars as pl
import pytest

from blueprint.data import DataError, write_splits
from blueprint.data.settings import Data
from blueprint.data.sources import read

ROWS = pl.DataFrame(
    {
        "age": [None if i % 7 == 1 else 20 + i % 50 for i in range(300)],
        "height": [1.5 + i / 7 for i in range(300)],
        "city": [None if i % 9 == 0 else f"Köln {i}" for i in range(300)],
        "member": [i % 5 < 3 for i in range(300)],
        "label": [("no", "yes", "maybe")[i % 3] for i in range(300)],
    }
)
COLUMNS = {
    "age": {"min": 0, "nullable": True},
    "height": {},
    "city": {"nullable": True},
    "member": {"dtype": "bool"},
}


@pytest.fixture(scope="session")
def people():
    """Rows with gaps, of every type that a table has."""
    return ROWS


@pytest.fixture(scope="session")
def columns():
    """`data.columns` that the rows fulfil."""
    return COLUMNS


@pytest.fixture
def hashes(tmp_path):
    """What the step makes of a configuration: the content hash of each set."""
    return lambda data: _hashes(data, tmp_path)


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The hashes of the rows as they come from a Parquet file."""
    folder = tmp_path_factory.mktemp("expected")
    ROWS.write_parquet(folder / "rows.parquet")
    options = {"task": "tabular-classification", "columns": COLUMNS}
    files = {"path": str(folder / "rows.parquet")}
    return _hashes(Data(source="files", files=files, **options), folder)


@pytest.fixture
def reject(tmp_path):
    """Hold a configuration to be rejected in one line: reject(data, message)."""

    def check(data, message):
        with pytest.raises(DataError, match=message) as error:
            _hashes(data, tmp_path)
        text = str(error.value)
        assert "\n" not in text
        assert "hush" not in text
        assert not list(tmp_path.iterdir())

    return check


def _hashes(data, folder):
    rows, _ = read(data)
    splits = write_splits(
        rows,
        {name: folder / name for name in ("train", "test")},
        {"test": 0.2},
        label="label",
        source=data.origin(),
        task=data.task,
        nullable=data.nullable(),
    )
    return {name: split.schema.content_hash for name, split in splits.items()}
