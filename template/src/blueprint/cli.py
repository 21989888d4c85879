"""The command line that the Makefile calls: the commands of every room, from its `commands.py`."""

import typer

from . import rooms
from .errors import UserError, end

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train, evaluate, register, serve and inspect the model of this project.",
)


@app.command()
def doctor() -> None:
    """Check tools, folders, ports and configuration, and say how to fix what is wrong."""
    from .doctor import check

    raise SystemExit(check())


for room in rooms("commands"):
    app.registered_commands += room.app.registered_commands


def main() -> None:
    """Run the command line; a `UserError` is one line on standard error and exit code 1."""
    try:
        app()
    except UserError as error:
        end(error)


if __name__ == "__main__":
    main()
