"""The command that looks for drift: `make drift`."""

import sys

import typer

from ...options import Overrides, Version

app = typer.Typer()


@app.command()
def drift(overrides: Overrides = None, version: Version = None) -> None:
    """Compare what the model is asked with what it was made of: exit code 3 says that it drifted,
    4 that there are too few rows to say."""
    import webbrowser

    from ... import settings
    from . import report
    from .check import PAGE, check

    checked = check(settings.load(overrides=overrides or ()), version)
    for line in report.lines(checked.drift):
        print(line)
    page = checked.folder / PAGE
    print(page)
    if sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())
    raise SystemExit(checked.drift.exit_code)
