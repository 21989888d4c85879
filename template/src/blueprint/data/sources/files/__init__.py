"""CSV and Parquet files, or a folder of pictures: which files a path means. Reads none of them.

`tables` reads the first two, `images` the pictures.
"""

import glob
import hashlib
import re
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ....settings import ENV_PREFIX, Section, with_login
from ... import DataError

if TYPE_CHECKING:
    import polars as pl

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
FORMATS |= dict.fromkeys(SUFFIXES, "images")
COMPRESSED = (".gz", ".zst")
WILD = re.compile(r"[*?\[]")
# What obstore is told of every store: plain HTTP is for those on this machine.
CLIENT: dict[str, Any] = {
    "client_options": {"allow_http": True},
    "retry_config": {"max_retries": 2},
}


NEEDS = "data.files.path"
FROM_ENVIRONMENT = (NEEDS,)
LOGINS = {
    "data.files.path": "object stores take theirs from their cloud's own variables; or set the "
    f"whole URL in the environment as {ENV_PREFIX}DATA__FILES__PATH"
}


class Settings(Section):
    """CSV or Parquet files, or a folder of pictures: a path, a glob, or the URL of a bucket."""

    path: str
    format: Literal["csv", "parquet", "images"] | None = None
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    null_values: list[str] = Field(default=[])


def options(data: Any) -> dict[str, Any]:
    texts = [name for name, column in data.columns.items() if column.dtype]
    path = with_login(data.files.path, "data", "files", "path")
    return {**data.files.model_dump(), "path": path, "texts": texts}


def origin(data: Any) -> str:
    return f"files {data.files.path}"


def only_here(data: Any) -> str:
    """What a pod of a cluster would not find."""
    path = data.files.path
    local = f"data.files.path is {path}, on this machine: put the files into a bucket"
    return "" if "://" in path else local


def version(data: Any) -> str:
    return version_of(data.files.path)


def version_of(path: str) -> str:
    """What changes when one of the files does: a hash of their names, sizes and times.

    In an object store the time is the object's tag. Raises `DataError` where there is no file.
    """
    if "://" in path:
        from obstore import list as list_objects
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        base = WILD.split(path)[0].rpartition("/")[0]
        pattern = path[len(base) + 1 :]
        pattern = pattern if pattern and not pattern.endswith("/") else f"{pattern}*"
        try:
            pages = list_objects(from_url(base, **CLIENT))
            objects = [(o["path"], o["size"], str(o["e_tag"])) for page in pages for o in page]
        except (BaseError, OSError, ValueError) as error:
            raise DataError(f"files {path}: {' '.join(str(error).split())[:200]}") from None
        lines = [str(each) for each in objects if fnmatchcase(each[0], pattern)]
    else:
        stats = [(name, Path(name).stat()) for name in find(path)]
        lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    if not lines:
        raise DataError(f"files {path}: no file or key matches")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def scan(*, path: str, format: str | None = None, **given: Any) -> "pl.LazyFrame":
    """The rows of a file, a glob, a folder or a tree of `key=value` folders, in order of the names.

    `path` is local or begins with `s3://`, `gs://` or `az://`: then Polars takes the credentials
    from the cloud's own environment variables. `format` (csv, parquet, images) is for names that do
    not tell it. Raises `DataError` when nothing can be read.
    """
    if files_of(path, format)[1] == "images":
        if not (images := part("images")):
            raise DataError(f"files {path}: pictures, but data.task takes tables")
        pictures: pl.LazyFrame = images.scan(Path(path))
        return pictures
    from . import tables

    return tables.scan(path=path, format=format, **given)


def part(name: str) -> Any:
    """A module here that comes with some tasks, or None."""
    there = (Path(__file__).parent / f"{name}.py").exists()
    return import_module(f".{name}", __name__) if there else None


def explain(error: BaseException, **given: Any) -> str:
    from . import tables

    return tables.explain(error, **given)


def locate(row: int, **given: Any) -> str:
    from . import tables

    return tables.locate(row, **given)


def files_of(path: str, format: str | None) -> tuple[list[str], str]:
    """The files that a path means, and their format: that of the first one whose name tells it."""
    names = [path] if "://" in path else find(path)
    told = next(filter(None, map(_format, names)), None)
    if told and not format:
        names = [name for name in names if _format(name) == told]
    return names, format or told or "parquet"


def find(path: str) -> list[str]:
    """The files that a local path, glob or folder means, in order of their names."""
    if Path(path).is_file():
        return [path]
    folder = Path(path).is_dir()
    names = Path(path).rglob("*") if folder else glob.glob(path, recursive=True)  # noqa: PTH207
    # Spark and others leave _SUCCESS and .crc files beside the data.
    files = [file for name in names if (file := Path(name)).is_file() and file.name[0] not in "._"]
    if not files:
        missing = "no files in this folder" if folder else "no such file or folder"
        raise DataError(f"files {path}: {missing}")
    return sorted(map(str, files))


def _format(name: str) -> str | None:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix not in COMPRESSED]
    return FORMATS.get(suffixes[-1]) if suffixes else None
