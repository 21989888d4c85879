"""The command `columns`."""

import sys

import typer

from ...options import Overrides

app = typer.Typer()


@app.command()
def columns(overrides: Overrides = None) -> None:
    """Propose data.columns from the rows of the source: YAML to paste into config/base.yaml."""
    from ... import settings
    from .proposal import propose

    text, notes = propose(settings.load(overrides=overrides or ()).data)
    for line in notes:
        print(f"# {line}", file=sys.stderr)
    print(text, end="")
