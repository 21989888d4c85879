"""What the commands of several rooms share: their options, and the form of a doctor's row."""

from collections.abc import Callable
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="configuration, such as train.epochs=3"),
]
Engine = Annotated[list[str] | None, typer.Argument(help="for the container engine")]
Version = Annotated[str | None, typer.Option(help="its number; `make models` lists them")]
Port = Annotated[int | None, typer.Option(help="in place of serving.port")]
Entry = Annotated[str, typer.Option("--pipeline", help="its name in pyproject.toml")]
Force = Annotated[bool, typer.Option("--force", help="do it all the same")]
Reason = Annotated[str, typer.Option(help="kept in the registry, with the version")]

# What is checked; a function that says what it finds, or raises a UserError; must it be right?
Check = tuple[str, Callable[[], str], bool]
