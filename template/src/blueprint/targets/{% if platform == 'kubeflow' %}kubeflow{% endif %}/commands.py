"""The commands for the cluster: `make submit`, `make schedule`, `make runs` …"""

from typing import Annotated

import typer

from ...options import Check, Entry, Overrides

app = typer.Typer()


@app.command("compile")
def compile_(
    overrides: Overrides = None,
    portable: Annotated[bool, typer.Option("--portable", help="no options of pods")] = False,
) -> None:
    """Compile each pipeline to a file in build/ that Kubeflow Pipelines takes."""
    from ... import settings
    from .. import compiling
    from . import pods

    loaded = settings.load(overrides=overrides or ())
    for path in compiling.compile_all(pods.portable(loaded) if portable else loaded):
        print(path)


@app.command()
def submit(
    overrides: Overrides = None,
    wait: Annotated[bool, typer.Option("--wait", help="follow it, and fail if it fails")] = False,
    pipeline: Entry = "training",
) -> None:
    """Upload the pipeline, start a run of it, and print where it is to be seen."""
    from ... import settings
    from . import submission

    submission.submit(settings.load(overrides=overrides or ()), wait=wait, entry=pipeline)


@app.command()
def schedule(
    cron: Annotated[str, typer.Argument(help='five fields, such as "0 3 * * *"; UTC')],
    overrides: Overrides = None,
    pipeline: Entry = "training",
) -> None:
    """Run the pipeline at the times of a cron expression, instead of those it had."""
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
    """List the newest runs, and the schedule."""
    from ... import settings
    from . import listing

    listing.show(settings.load())


@app.command()
def debug_run(
    run: Annotated[str, typer.Argument(help="the run's id")],
    step: Annotated[str, typer.Argument(help="such as train_model")],
) -> None:
    """Run one step of a run in this process, with the inputs that it had on the cluster."""
    from ... import settings
    from . import debugging

    debugging.run(settings.load(), run, step)


@app.command()
def debug_pause(
    step: Annotated[str, typer.Argument(help="such as train_model")],
    overrides: Overrides = None,
) -> None:
    """Start a run on the cluster in which one step's pod waits, to be entered."""
    from ... import settings
    from . import pausing

    pausing.pause(settings.load(overrides=overrides or ()), step)


@app.command()
def debug_release(
    run: Annotated[str, typer.Argument(help="the run's id")],
    step: Annotated[str, typer.Argument(help="that waits")],
) -> None:
    """Let a step go on that waits."""
    from ... import settings
    from . import pausing

    pausing.release(settings.load(), run, step)


@app.command()
def debug_end(run: Annotated[str, typer.Argument(help="the run's id")]) -> None:
    """End a run on the cluster."""
    from ... import settings
    from . import pausing

    pausing.end(settings.load(), run)


def checks() -> list[Check]:
    """The rows of `make doctor`: what a run on the cluster needs; nothing is started."""
    from . import readiness

    return readiness.checks()
