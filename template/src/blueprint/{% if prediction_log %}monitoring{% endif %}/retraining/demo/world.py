"""The world that changes: rows of the project's own source, and the same rows turned and noisy.

Pictures are turned and get noise; numbers move and get noise. Texts and labels stay as they are.
"""

from typing import Any

import numpy as np
import polars as pl

from .... import pipelines
from ....data import sources
from ....data.features import prepare_features
from ....data.settings import Column, Data
from ....errors import UserError

FEWEST, MOST = 250, 20_000  # rows that are looked at
ENOUGH = 200  # for a batch without a row twice
DEGREES = 20
MOVED, PICTURE_NOISE, NUMBER_NOISE = 1.0, 0.1, 0.15  # standard deviations; of the brightest pixel
SEED = 0


class World:
    """Rows of the configured source, in random order: `known` to learn from, `asked` to ask about,
    and `later` to ask about when the asked ones have been learned, too: others, where there are
    ENOUGH.

    Raises `UserError` where they are too few.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        rows = sources.scan(data.source, **data.options()).head(MOST).collect()
        self.rows = rows.sample(fraction=1, shuffle=True, seed=SEED)
        self.random = np.random.default_rng(SEED)
        first, second = len(rows) * 3 // 5, len(rows) * 4 // 5
        self.known, self.asked = self.rows[:first], self.rows[first:]
        self.later = self.asked
        if second - first >= ENOUGH:  # fewer, again and again, would themselves look like drift
            self.asked, self.later = self.rows[first:second], self.rows[second:]
        if len(rows) < FEWEST:
            raise UserError(f"the source has {len(rows)} rows: the demonstration needs {FEWEST}")

    def traffic(self, count: int, *, changed: bool) -> pl.DataFrame:
        """Rows that were not learned from, drawn by chance."""
        seed = int(self.random.integers(2**31))
        rows = self.asked.sample(count, with_replacement=count > len(self.asked), seed=seed)
        return self.change(rows) if changed else rows

    def change(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows as the changed world has them."""
        split = self.data.split
        fixed = (self.data.label, split.group, split.time)
        columns = {name: self._changed(rows[name]) for name in rows.columns if name not in fixed}
        return rows.with_columns(**columns)

    def features(self, rows: pl.DataFrame) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The rows as a client sends them, values by feature, and what the features are."""
        data = self.data
        learned = pipelines.module("data").load_data(rows.lazy())
        others = (data.label, data.split.group, data.split.time)
        names = [each for each in learned.collect_schema() if each not in others]
        frame, features = prepare_features(learned, names, data.nullable(), data.task)
        arrays = {name: frame.select(name).collect()[name].to_numpy() for name in names}
        return [{name: arrays[name][i] for name in names} for i in range(len(rows))], features

    def _changed(self, series: pl.Series) -> pl.Series:
        if isinstance(series.dtype, pl.Array):
            images = np.stack([self._turned(image) for image in series.to_numpy()])
            return pl.Series(series.name, images.astype(series.to_numpy().dtype))
        if not series.dtype.is_numeric():
            return series
        whole = self.rows[series.name].cast(pl.Float64)
        spread = float(whole.std() or 0.0)  # type: ignore[arg-type]
        noise = self.random.normal(MOVED, NUMBER_NOISE, len(series)) * spread
        moved = series.cast(pl.Float64) + noise
        column = self.data.columns.get(series.name, Column())
        low, high = (each if isinstance(each, int | float) else None for each in _bounds(column))
        moved = moved.clip(low, high)
        return (moved.round() if series.dtype.is_integer() else moved).cast(series.dtype)

    def _turned(self, image: np.ndarray) -> np.ndarray:
        from PIL import Image

        top = 255 if image.dtype == np.uint8 else float(self.rows_top(image))
        planes = image[..., None] if image.ndim == 2 else image
        turned = [
            np.asarray(
                Image.fromarray(planes[..., k].astype(np.float32)).rotate(
                    DEGREES, Image.Resampling.BILINEAR
                )
            )
            for k in range(planes.shape[-1])
        ]
        noisy = np.stack(turned, axis=-1)
        noisy = noisy + self.random.normal(0, PICTURE_NOISE * top, noisy.shape)
        return noisy.clip(0, top).reshape(image.shape)

    @staticmethod
    def rows_top(image: np.ndarray) -> float:
        """The brightest value that a picture's type is used for."""
        return float(max(image.max(), 1))


def _bounds(column: Column) -> tuple[Any, Any]:
    return column.min, column.max
