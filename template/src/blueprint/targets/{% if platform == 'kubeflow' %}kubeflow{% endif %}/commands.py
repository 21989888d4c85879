"""The commands for the cluster: `make submit`, `make schedule`, `make runs` …"""

from typing import Annotated

import typer

from ...options import Check, Overrides

app = typer.Typer()


@app.command("compile")
def compile_(overrides: Overrides = None) -> None:
    """Compile each pipeline to a file in build/ that Kubeflow Pipelines takes."""
    from ... import settings
    from . import compiling

    for path in compiling.compile_all(settings.load(overrides=overrides or ())):
        print(path)


@app.command()
def submit(
    overrides: Overrides = None,
    wait: Annotated[bool, typer.Option("--wait", help="follow it, and fail if it fails")] = False,
) -> None:
    """Upload the pipeline, start a run of it, and print where it is to be seen."""
    from ... import settings
    from . import submission

    submission.submit(settings.load(overrides=overrides or ()), wait=wait)


@app.command()
def schedule(
    cron: Annotated[str, typer.Argument(help='five fields, such as "0 3 * * *"; UTC')],
    overrides: Overrides = None,
) -> None:
    """Run the pipeline at the times of a cron expression, instead of those it had."""
    from ... import settings
    from . import schedules

    schedules.schedule(settings.load(overrides=overrides or ()), cron)


@app.command()
def unschedule() -> None:
    """Stop what `schedule` started."""
    from ... import settings
    from . import schedules

    schedules.unschedule(settings.load())


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


def checks() -> list[Check]:
    """The rows of `make doctor`: what a run on the cluster needs; nothing is started."""
    from . import readiness

    return readiness.checks()
