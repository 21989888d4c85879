"""At the end of each step: its time, and what it knows of the run, to the Pushgateway."""

import os
import sys

from ...logins import hide
from ...progress import SAYS, line
from .tasks import VARIABLE, Told


def tell(step: str, seconds: float) -> None:
    """Push, where a Pushgateway is configured. A run never fails for it: one line says why not."""
    given = os.environ.get(VARIABLE)
    if not given:
        return
    failed = sys.exc_info()[0] is not None
    try:
        from .push import push

        push(Told.model_validate_json(given), step, seconds, failed=failed)
    except Exception as error:  # whatever it is, the run is more important
        reason = hide(" ".join(str(error).split()))[:200]
        print(line(step, SAYS, f"metrics were not pushed: {reason}"), flush=True)
