"""`make infra-plan`, `infra-apply`, `infra-destroy` and `config`: Terraform by environment."""

from typing import Annotated

import typer

from ..options import Check

app = typer.Typer()
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


@app.command("infra-plan")
def infra_plan() -> None:
    """Say what Terraform would make, change and delete, and what of that costs money."""
    from . import terraform

    terraform.plan()


@app.command("infra-apply")
def infra_apply(yes: Yes = False) -> None:
    """Make what `make infra-plan` planned; ask first."""
    from . import terraform

    terraform.apply(yes)


@app.command("infra-destroy")
def infra_destroy() -> None:
    """Delete all of it, where it is not protected; ask for the environment's name first."""
    from . import terraform

    terraform.destroy()


@app.command("infra-check")
def infra_check() -> None:
    """Check format, references and types, and run the ground's tests; no account is needed."""
    from . import terraform

    terraform.check()


@app.command()
def config() -> None:
    """Write what Terraform made into config/ and the other files that name it."""
    from . import terraform, writing

    writing.write(*terraform.outputs())


def checks() -> list[Check]:
    from . import terraform

    return [("Terraform", terraform.version, False)]
