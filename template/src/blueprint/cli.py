"""The command line that the Makefile calls. Imports wait until a command needs them."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from .errors import UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train, judge, serve and inspect the model of this project.",
)
Reason = Annotated[str, typer.Option(help="kept in the registry, with the version")]
Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045  (Typer reads this form everywhere)
    typer.Argument(metavar="[KEY=VALUE]...", help="configuration, such as train.epochs=3"),
]


def main(application: typer.Typer = app) -> None:
    """Run the command line; a `UserError` is one line on standard error and exit code 1."""
    try:
        application()
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise SystemExit(1) from None


@app.command()
def run(
    overrides: Overrides = None,
    cache: Annotated[bool, typer.Option(help="reuse results that would not change")] = True,
    runner: Annotated[str, typer.Option(help="subprocess, or docker: in the image")] = "subprocess",
) -> None:
    """Run the training pipeline on this machine; a rejected model is a result, not a failure."""
    from . import settings
    from .targets import local

    loaded = settings.load(overrides=overrides or ())
    if runner not in local.RUNNERS:
        raise UserError(f"--runner {runner}: expected {' or '.join(local.RUNNERS)}")
    if runner == "subprocess":
        local.warm_up()
    local.run(loaded, cache=cache, runner=runner)


@app.command()
def debug(overrides: Overrides = None) -> None:
    """Run the steps up to the verdict in this process: breakpoints stop, errors open pdb."""
    from . import settings
    from .targets import debugger

    debugger.run(settings.load(overrides=overrides or ()))


@app.command()
def columns(overrides: Overrides = None) -> None:
    """Propose data.columns from the rows of the source: YAML to paste into config/base.yaml."""
    from . import settings
    from .data.sources import propose_columns

    text, said = propose_columns(settings.load(overrides=overrides or ()).data)
    for line in said:
        print(f"# {line}", file=sys.stderr)
    print(text, end="")


@app.command("compile")
def compile_(
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option(help="where to write")] = Path("build/training.yaml"),
) -> None:
    """Compile the pipelines to files that Kubeflow Pipelines takes: training, batch prediction."""
    from . import settings
    from .targets import images
    from .targets.compile import compile_batch, compile_pipeline

    loaded = settings.load(overrides=overrides or ())
    image = images.pipeline_image(loaded)
    compile_pipeline(loaded, output, image)
    print(output)
    scoring = output.with_name("batch_prediction.yaml")
    compile_batch(loaded, scoring, image)
    print(scoring)


@app.command()
def serve(
    overrides: Overrides = None,
    port: Annotated[Optional[int], typer.Option(help="instead of serving.port")] = None,  # noqa: UP045
) -> None:
    """Answer prediction requests with the model in service; a newly deployed one is picked up."""
    from . import settings
    from .registry import in_service
    from .serving import server

    given = [*(overrides or ()), *([f"serving.port={port}"] if port else ())]
    loaded = settings.load(overrides=given)
    with in_service.compared(loaded, given):
        server.run(loaded.serving, loaded.registry.name)


@app.command()
def predict(
    row: Annotated[Optional[int], typer.Option(help="of the test set; a random one")] = None,  # noqa: UP045
    url: Annotated[Optional[str], typer.Option(help="of the server")] = None,  # noqa: UP045
    port: Annotated[Optional[int], typer.Option(help="instead of serving.port")] = None,  # noqa: UP045
) -> None:
    """Send a test row to the running server, and show it beside the answer."""
    from . import settings
    from .predict import predict as send

    loaded = settings.load()
    local = f"http://{loaded.serving.host}:{port or loaded.serving.port}"
    send(url or local, loaded.registry.name, row)


@app.command()
def batch(
    input: Annotated[str, typer.Argument(help="a file, folder, glob or URL")],
    output: Annotated[str, typer.Argument(help="a .parquet or .csv file, or a folder")],
    overrides: Overrides = None,
    version: Annotated[Optional[str], typer.Option(help="instead of the one in service")] = None,  # noqa: UP045
    force: Annotated[bool, typer.Option("--force", help="replace what is there")] = False,
) -> None:
    """Score the rows of files with the model in service; a killed run goes on where it was."""
    from . import settings

    if not (input and output):
        raise UserError("which rows, and where to? `make batch INPUT=new.csv OUTPUT=scores.csv`")
    from .batch.target import run

    run(settings.load(overrides=overrides or ()), input, output, version, force=force)


@app.command()
def report(
    version: Annotated[Optional[str], typer.Option(help="show its card instead")] = None,  # noqa: UP045
) -> None:
    """Open the newest evaluation's page, or a version's card, and print where it is."""
    import webbrowser

    if version:
        from . import settings
        from .registry import models

        page = models.card(settings.load(), version)
    else:
        from .registry import models

        page = models.newest_report()
    print(page)
    if sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())


@app.command()
def models() -> None:
    """List the registered versions: metrics, verdict, data, commit, and which is the champion."""
    from . import settings
    from .registry import models

    models.show(settings.load())


@app.command()
def promote(
    version: Annotated[Optional[str], typer.Argument(help="its number")] = None,  # noqa: UP045
    force: Annotated[bool, typer.Option("--force", help="take a rejected version")] = False,
    reason: Reason = "",
) -> None:
    """Make a version the champion and serve it; a rejected one needs force and a reason."""
    from . import settings

    if not version:
        raise UserError("which version? `make promote VERSION=3`; `make models` lists them")
    from .registry import promotion

    print(promotion.promote(settings.load(), version, force=force, reason=reason.strip()))


@app.command()
def rollback(reason: Reason = "") -> None:
    """Put the champion before this one in service again."""
    from . import settings
    from .registry import promotion

    print(promotion.rollback(settings.load(), reason=reason.strip()))


@app.command()
def images(
    arguments: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="for the engine's build"),
    ] = None,
) -> None:
    """Build the images of the pipeline and of the server, tagged with the commit."""
    from . import settings
    from .targets import images

    images.build(settings.load(), arguments or ())


@app.command()
def push(
    registry: Annotated[Optional[str], typer.Option(help="instead of images.registry")] = None,  # noqa: UP045
) -> None:
    """Push the images that were built, and print their digests."""
    from . import settings
    from .targets import images

    images.push(settings.load(), registry)


@app.command()
def stack(
    arguments: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="for the engine's build"),
    ] = None,
) -> None:
    """Start MLflow, its database and object store, and the model server, in containers."""
    from . import settings
    from .targets import stack

    stack.up(settings.load("stack"), arguments or ())


@app.command()
def stack_down(
    arguments: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="--volumes deletes the data too"),
    ] = None,
) -> None:
    """Stop what `stack` started; the data stays."""
    from . import settings
    from .targets import stack

    stack.down(settings.load("stack"), arguments or ())


@app.command()
def ui(port: Annotated[int, typer.Option(help="to listen on")] = 5000) -> None:
    """Open MLflow on this project's runs and models, or say where its tracking server is."""
    from . import settings
    from .registry import ui

    ui.show(settings.load().registry.tracking_uri, port)


@app.command()
def doctor() -> None:
    """Check tools, folders, ports and configuration, and say how to mend what is wrong."""
    from .doctor import check

    raise SystemExit(check())


if __name__ == "__main__":
    main()
