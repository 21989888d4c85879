"""The end of a pod's server, which its clients are told of before: BentoML tells them nothing."""

import tempfile
from pathlib import Path

from starlette.types import Message, Send

MARK = Path(tempfile.gettempdir()) / "ending"  # the preStop hook makes it, seconds before SIGTERM
MARK.unlink(missing_ok=True)  # of a container that the kubelet has restarted: /tmp outlives it


def closing(send: Send) -> Send:
    """Have an answer close its connection, once the pod is about to end.

    BentoML closes at SIGTERM what clients keep, and a request that is on its way then is lost.
    """
    if not MARK.exists():
        return send

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return close
