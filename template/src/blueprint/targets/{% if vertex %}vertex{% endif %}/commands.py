"""The commands for Vertex AI: `make submit`, `make schedule`, `make runs` …"""

from typing import Annotated

import typer

from ...options import Check, Entry, Overrides

app = typer.Typer()


@app.command("compile")
def compile_(overrides: Overrides = None) -> None:
    """Compile each pipeline to a file in build/ that Vertex AI takes."""
    from ... import settings
    from .. import compiling

    for path in compiling.compile_all(settings.load(overrides=overrides or ())):
        print(path)


@app.command()
def submit(
    overrides: Overrides = None,
    wait: Annotated[bool, typer.Option("--wait", help="follow it, and fail if it fails")] = False,
    pipeline: Entry = "training",
) -> None:
    """Start a run of the pipeline, and print where it is to be seen."""
    from ... import settings
    from . import submission

    submission.submit(settings.load(overrides=overrides or ()), wait=wait, entry=pipeline)


@app.command()
def schedule(
    cron: Annotated[str, typer.Argument(help='five fields, such as "0 3 * * *"')],
    overrides: Overrides = None,
    pipeline: Entry = "training",
) -> None:
    """Run the pipeline at the times of a cron expression, in vertex.time_zone."""
    from ... import settings
    from . import schedules

    schedules.schedule(settings.load(overrides=overrides or ()), cron, pipeline)


@app.command()
def unschedule(pipeline: Entry = "training") -> None:
    """Stop what `schedule` started."""
    from ... import settings
    from . import schedules

    schedules.unschedule(settings.load(), pipeline)


@app.command()
def runs() -> None:
    """List the newest runs, and the schedules."""
    from ... import settings
    from . import listing

    listing.show(settings.load())


def checks() -> list[Check]:
    """The rows of `make doctor`: what a run needs; nothing is started, made or changed."""
    from . import readiness

    return readiness.checks()
