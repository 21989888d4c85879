"""Write a user's data where a project reads it: `python examples.py KIND PATH`.

Run by the Python of a generated project, which has what this imports. The rows hold texts, gaps
and whole numbers; the label follows from them, with some noise.
"""

import sqlite3
import sys
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 1500


def flats() -> pl.DataFrame:
    """Flats with their rent."""
    random = np.random.default_rng(1)
    age = np.where(random.random(ROWS) < 0.1, np.nan, random.normal(40, 10, ROWS).round(1))
    city = random.choice(["Mainz", "Köln", "Trier"], ROWS)
    rooms = random.integers(1, 9, ROWS)
    rent = 3 * np.nan_to_num(age, nan=40) + 100 * (city == "Mainz") + 80 * rooms
    rent = (rent + random.normal(0, 20, ROWS)).round(2)
    gaps = pl.Series(random.random(ROWS) < 0.05)
    return pl.DataFrame({"age": age, "city": city, "rooms": rooms, "label": rent}).with_columns(
        pl.col("age").fill_nan(None), city=pl.when(~gaps).then("city")
    )


def sql(path: Path) -> None:
    """The rents in a table of SQLite."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE examples (age REAL, city TEXT, rooms INTEGER, label REAL)")
        database.executemany("INSERT INTO examples VALUES (?, ?, ?, ?)", flats().rows())


def csv(path: Path) -> None:
    """Cheap, fair and dear flats as CSV."""
    rent = pl.col("label")
    kind = pl.when(rent > 650).then(pl.lit("dear")).when(rent < 400).then(pl.lit("cheap"))
    flats().with_columns(label=kind.otherwise(pl.lit("fair"))).write_csv(path)


def pictures(path: Path) -> None:
    """Handwritten digits as PNG files, a folder a class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = path / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15.9).astype(np.uint8)).save(folder / f"{number}.png")


if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    {"sql": sql, "csv": csv, "pictures": pictures}[sys.argv[1]](target)
