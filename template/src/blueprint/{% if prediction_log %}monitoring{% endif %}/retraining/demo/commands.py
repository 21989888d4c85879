"""The command that shows the loop: `make demo-drift`."""

import sys

import typer

app = typer.Typer()


@app.command()
def demo_drift() -> None:
    """Show drift come, be found, be answered by a training, and go, in a folder of its own."""
    import webbrowser

    from . import story

    picture = story.run()
    print(picture)
    if sys.stdout.isatty():
        webbrowser.open(picture.resolve().as_uri())
