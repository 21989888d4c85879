"""The work of the drift rows, in a project's own Python: false alarms, planted shifts, much.

`drift.py alarms|shifts|same|window REPEATS` prints JSON. Rows that a model has not learned are
divided again each time into those of the reference and those of the window, so that without a
planted shift both are of one distribution. Evidently draws a plot a column, which takes seconds a
window: SciPy is called as it calls it, and `same` compares what that gives with its reports.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from blueprint.monitoring.drift import statistics
from blueprint.monitoring.drift.measure import measure
from blueprint.monitoring.drift.report import write
from blueprint.monitoring.drift.settings import Drift
from blueprint.monitoring.images import statistics as describe
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Rows = dict[str, np.ndarray]


class Case(NamedTuple):
    """Rows and labels, a model of them, what is watched of a row, and a shift of these rows.

    The model learns `train` rows; a window has `window` of the others.
    """

    rows: Rows
    labels: np.ndarray
    model: Any
    watched: Callable[[Rows], Rows]
    shift: Callable[[Rows, np.random.Generator], Rows]
    train: int
    window: int


def take(rows: Rows, chosen: np.ndarray) -> Rows:
    return {name: values[chosen] for name, values in rows.items()}


def table(rows: Rows) -> Any:
    import pandas as pd

    return pd.DataFrame({name: list(v) if v.ndim > 1 else v for name, v in rows.items()})


def moved(rows: Rows, random: np.random.Generator) -> Rows:
    """Every third column half a standard deviation up: twice what a small window cannot miss."""
    shifted = dict(rows)
    for name in list(rows)[::3]:
        shifted[name] = rows[name] + 0.5 * rows[name].std()
    return shifted


def noisy(rows: Rows, random: np.random.Generator) -> Rows:
    pixels = rows["image"] + random.normal(0, 4, rows["image"].shape)
    return {"image": pixels.clip(0, 16)}


def rotated(rows: Rows, random: np.random.Generator) -> Rows:
    return {"image": np.rot90(rows["image"], axes=(1, 2)).copy()}


def other_mix(rows: Rows, random: np.random.Generator) -> Rows:
    """Orders of another season: two categories, one of them new, and higher prices."""
    city = np.where(random.random(len(rows["city"])) < 0.3, "new town", rows["city"])
    return rows | {"city": city, "price": rows["price"] * 1.5}


def orders(random: np.random.Generator, number: int) -> tuple[Rows, np.ndarray]:
    """A table as shops have it: prices with a long tail, counts, cities large and small."""
    cities = np.array([f"city {place}" for place in range(80)])
    weights = 1 / np.arange(1, 81) ** 1.3
    rows: Rows = {
        "price": random.lognormal(3, 1, number),
        "items": random.poisson(3, number).astype(np.float64),
        "age": random.normal(40, 12, number).round(),
        "discount": random.choice([0.0, 0.1, 0.25], number, p=[0.7, 0.2, 0.1]),
        "city": cities[random.choice(80, number, p=weights / weights.sum())],
        "channel": random.choice(np.array(["web", "shop", "phone"]), number, p=[0.6, 0.35, 0.05]),
    }
    score = np.log(rows["price"]) - 3 + 0.3 * (rows["items"] - 3) + random.normal(0, 1, number)
    return rows, np.where(score > 0, "returned", "kept")


def cases() -> dict[str, Case]:
    random = np.random.default_rng(1)
    found = {}
    for name, load, model in (
        ("tabular-classification", load_breast_cancer, LogisticRegression()),
        ("tabular-regression", load_diabetes, Ridge()),
    ):
        data = load()
        rows = {f"x{place}": data.data[:, place] for place in range(data.data.shape[1])}
        regression = name == "tabular-regression"
        labels = data.target.astype(float) if regression else data.target_names[data.target]
        scaled = make_pipeline(StandardScaler(), model)
        half = len(labels) // 2 - 60
        found[name] = Case(rows, labels, scaled, dict, moved, half, 200)
    digits = load_digits()
    watched = lambda rows: describe(rows["image"])  # noqa: E731
    flat = make_pipeline(StandardScaler(), LogisticRegression())
    pictures = {"image": digits.images}, digits.target.astype(str), flat, watched
    found["image-classification, noise"] = Case(*pictures, noisy, 900, 400)
    found["image-classification, rotation"] = Case(*pictures, rotated, 900, 400)
    rows, labels = orders(random, 8_000)
    texts = ["city", "channel"]
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), texts), remainder=StandardScaler()
    )
    fitted = make_pipeline(encode, LogisticRegression(max_iter=300))
    found["a shop's orders"] = Case(rows, labels, fitted, dict, other_mix, 3_000, 1_000)
    return found


def predict(case: Case, rows: Rows) -> Rows:
    flat = rows["image"].reshape(len(rows["image"]), -1) if "image" in rows else table(rows)
    if not hasattr(case.model, "predict_proba"):
        return {"prediction": case.model.predict(flat)}
    shares = case.model.predict_proba(flat)
    return {
        "prediction": case.model.classes_[shares.argmax(axis=1)].astype(str),
        "probability": shares.max(axis=1),
    }


def frame(case: Case, rows: Rows, labels: np.ndarray) -> pl.DataFrame:
    watched = {f"input.{name}": values for name, values in case.watched(rows).items()}
    label = labels if labels.dtype.kind == "f" else labels.astype(str)
    return pl.DataFrame(watched | predict(case, rows) | {"label": label})


def run(case: Case, repeats: int, *, shifted: bool) -> list[Any]:
    random = np.random.default_rng(2)
    order = random.permutation(len(case.labels))
    learned, others = order[: case.train], order[case.train :]
    flat = take(case.rows, learned)
    inputs = flat["image"].reshape(case.train, -1) if "image" in flat else table(flat)
    case.model.fit(inputs, case.labels[learned])
    known = frame(case, flat, case.labels[learned]).with_columns(held_out=pl.lit(False))
    found = []
    for _ in range(repeats):
        mixed = random.permutation(others)
        now, unseen = mixed[: case.window], mixed[case.window :]
        held_out = frame(case, take(case.rows, unseen), case.labels[unseen])
        reference = pl.concat([known, held_out.with_columns(held_out=pl.lit(True))])
        rows = take(case.rows, now)
        window = frame(case, case.shift(rows, random) if shifted else rows, case.labels[now])
        found.append(measure(reference, window, Drift()))
    return found


def scores(
    reference: pl.DataFrame, window: pl.DataFrame, asked: list[Any], page: object = None
) -> dict[str, float]:
    """What `statistics.scores` gives, by the functions of SciPy that Evidently calls for it."""
    found = {}
    for each in asked:
        before, now = (rows[each.name].drop_nulls() for rows in (reference, window))
        if each.method == "wasserstein":
            distance = wasserstein_distance(before.to_numpy(), now.to_numpy())
            found[each.name] = distance / max(float(np.std(before.to_numpy())), 0.001)
            continue
        assert each.method == "jensenshannon", each
        counts = [dict(rows.value_counts().iter_rows()) for rows in (before, now)]
        names = sorted(counts[0] | counts[1])
        shares = [np.array([each.get(name, 0) for name in names]) for each in counts]
        found[each.name] = float(jensenshannon(*(share / share.sum() for share in shares)))
    return found


def quality(rows: pl.DataFrame) -> dict[str, float]:
    """What `statistics.quality` gives of the metrics that decide."""
    label, predicted = rows["label"], rows["prediction"]
    if label.dtype == pl.String:
        return {"accuracy": float((label == predicted).mean() or 0)}
    return {"mae": float((label - predicted).abs().mean() or 0)}


def same(repeats: int) -> dict[str, int]:
    """Raise unless Evidently's reports give the scores and verdicts that its functions give."""
    whole = statistics.scores, statistics.quality
    for case in cases().values():
        kept: list[Any] = []
        for functions in (whole, (scores, quality)):
            statistics.scores, statistics.quality = functions
            kept.append(run(case, repeats, shifted=True)[-1])
        for one, other in zip(kept[0].columns, kept[1].columns, strict=True):
            assert abs((one.score or 0) - (other.score or 0)) < 1e-9, (one, other)
        assert kept[0].reasons == kept[1].reasons
    return {"cases": len(cases())}


def alarms(repeats: int, *, shifted: bool = False) -> dict[str, Any]:
    """Of so many windows, how many are found to have drifted, and how many columns."""
    statistics.scores, statistics.quality = scores, quality
    table = {}
    for name, case in cases().items():
        if not shifted and name.endswith("rotation"):
            continue  # without a shift it is the case before
        begin, found = time.perf_counter(), run(case, repeats, shifted=shifted)
        columns = [each for drift in found for each in drift.columns if each.compared]
        table[name if shifted else name.partition(",")[0]] = {
            "windows": len(found),
            "drifted": sum(drift.detected for drift in found),
            "columns": sum(each.moved for each in columns) / len(columns),
            "rows": case.window,
            "seconds": round(time.perf_counter() - begin, 1),
        }
    return table


def window(repeats: int) -> dict[str, Any]:
    """A window of a million rows with thirty columns: seconds after the import, and memory."""
    random = np.random.default_rng(3)

    def rows(number: int) -> pl.DataFrame:
        values = {f"input.x{place}": random.normal(size=number) for place in range(25)}
        kinds = np.array(["a", "b", "c", "d"])
        texts = {f"input.c{place}": random.choice(kinds, number) for place in range(5)}
        outputs = {"prediction": random.choice(kinds, number), "probability": random.random(number)}
        return pl.DataFrame(values | texts | outputs | {"label": outputs["prediction"]})

    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        rows(1_000_000).write_parquet(Path(folder) / "rows.parquet")
        reference = rows(50_000).with_columns(held_out=pl.lit(True))
        statistics.load()
        import evidently.metrics
        import evidently.presets  # noqa: F401

        begin, cpu = time.perf_counter(), time.process_time()
        read = pl.scan_parquet(Path(folder) / "rows.parquet").collect()
        found = measure(reference, read, Drift(), Path(folder) / "evidently.html")
        write(Path(folder) / "page.html", found, reference, read, "evidently.html")
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"rows": found.rows, "seconds": seconds, "cpu": cpu, "peak": peak}


if __name__ == "__main__":
    what, repeats = sys.argv[1], int(sys.argv[2])
    work = {
        "alarms": alarms,
        "shifts": lambda number: alarms(number, shifted=True),
        "same": same,
        "window": window,
    }
    print(json.dumps(work[what](repeats)))
