"""`make debug`: the pipeline's graph with every step called in this process, for a debugger."""

import json
import logging
import os
import pdb
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from kfp import local
from kfp.dsl.executor import Executor

from .. import pipelines
from ..errors import UserError
from ..registry import check as registry_check
from ..runs import RUNS
from ..settings import Settings
from . import facts, graph, preflight
from .graph import FUNCTION
from .processes import QUIET, started_by

# These change the registry or what is in service, which no look at a model may do.
LEFT_OUT = ("register_model", "deploy_model")


def run(settings: Settings) -> None:
    """Call each step but registration and deployment, without cache; an error opens pdb there.

    `make report` shows the evaluation, as that of a run.
    """
    preflight.check(settings)
    registry_check.check(**settings.registry.model_dump())
    os.environ.update(QUIET)
    configured = graph.configure(settings, "local/python")
    arguments = graph.arguments(settings, facts.of_run(settings))
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(RUNS))
    logging.disable(logging.INFO)  # KFP's own messages
    with stopping(), started_by(call, announce=False):
        configured.pipeline(**arguments)


def call(command: list[str], variables: dict[str, str] | None = None) -> int:
    """Call the function of a step's command as KFP's executor does, with its artifacts."""
    options = dict(pairwise(command))
    name, given = options[FUNCTION], json.loads(options["--executor_input"])
    if name in LEFT_OUT:
        print(f"[{name}] left out: `make run` does it")
        output = Path(given["outputs"]["outputFile"])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({"parameterValues": {"Output": "none"}}))
        return 0
    if name not in pipelines.COMPONENTS:
        raise UserError(f"{name}: make it a component by `blueprint.pipelines.component`")
    os.environ.update(variables or {})
    Executor(given, pipelines.COMPONENTS[name]).execute()
    return 0


@contextmanager
def stopping() -> Iterator[None]:
    """On a terminal, an error inside is printed, and pdb stops where it was raised."""
    try:
        yield
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        if not sys.stdin.isatty():
            raise
        pdb.post_mortem(error.__traceback__)
