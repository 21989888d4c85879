import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")

with app.setup:
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import polars as pl

    from blueprint.notebook import champion, test_data


@app.cell
def _():
    data = test_data()
    model = champion()
    return data, model


@app.cell
def _():
    mo.md("""
    # The champion on the test rows

    This file is yours: change it, copy it, delete it.
    """)
    return


@app.cell
def _(data):
    schema = data.schema
    features, truth = next(data.batches(rows=5_000))  # the first ones; data.arrays() reads all
    rows = data.scan().head(len(truth)).collect()
    mo.ui.table(rows, label=f"{len(rows):,} of {schema.rows:,} test rows")
    return features, rows, schema, truth


@app.cell
def _(features, model, rows, schema, truth):
    predictions = model.predict(features).astype(float)
    if schema.classes:  # (n, classes) probabilities
        predicted = predictions.argmax(axis=1)
        off = 1 - predictions[np.arange(len(truth)), truth]
        shown = np.array(schema.classes)[predicted]
    else:  # (n,) numbers
        predicted = shown = predictions.round(4)
        off = np.abs(predictions - truth)
    front = [schema.label, "predicted", "off"]
    table = rows.with_columns(predicted=shown, off=off.round(4))
    table = table.select(*front, pl.exclude(front))
    mo.ui.table(table, label="Predictions beside the truth")
    return off, predicted, table


@app.cell
def _(predicted, schema, table, truth):
    wrong = table.filter(predicted != truth).sort("off", descending=True)
    what = "rows are of another class than predicted" if schema.classes else "rows are off"
    mo.ui.table(wrong, label=f"{len(wrong):,} {what}: the worst first")
    return


@app.cell
def _(predicted, schema, truth):
    plot, axes = plt.subplots()
    if schema.classes:
        indices = np.arange(len(schema.classes))
        counts = np.zeros((len(indices), len(indices)), int)
        np.add.at(counts, (truth, predicted), 1)
        plt.colorbar(axes.imshow(counts, cmap="Blues"), label="rows")
        axes.set_xticks(indices, schema.classes, rotation=45, ha="right")
        axes.set_yticks(indices, schema.classes)
    else:
        axes.scatter(predicted, truth, s=8)
        axes.axline((truth.mean(), truth.mean()), slope=1, color="grey")
    axes.set(xlabel="predicted", ylabel="truth")
    mo.as_html(plot)
    return


@app.cell
def _(features, off, schema, table):
    pictures = next((array for array in features.values() if array.ndim > 2), None)
    mo.stop(pictures is None)
    sheet, panels = plt.subplots(3, 6, figsize=(9, 5), layout="constrained")
    for panel, row in zip(panels.flat, np.argsort(-off).tolist(), strict=False):
        panel.imshow(pictures[row], cmap="gray")
        panel.set_title(f"{table[row, 0]}, predicted {table[row, 1]}", fontsize=8)
        panel.set_axis_off()
    sheet.suptitle("The worst first")
    mo.as_html(sheet)
    return


if __name__ == "__main__":
    app.run()
