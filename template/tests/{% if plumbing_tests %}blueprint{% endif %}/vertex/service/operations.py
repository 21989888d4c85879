"""What takes time: long-running operations, which end once they are due and ready."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from vertex.service import errors


@dataclass
class Operation:
    """A long-running operation: `finish` does it, once it is due and `ready`."""

    name: str
    metadata: Any
    finish: Callable[[], Any]
    ready: Callable[[], bool]
    due: float
    done: bool = False
    response: Any = None
    error: errors.Rejected | None = None

    def advance(self) -> None:
        try:
            if self.done or time.monotonic() < self.due or not self.ready():
                return
            found = self.finish()
            self.response = empty_pb2.Empty() if found is None else found
        except errors.Rejected as error:
            self.error = error
        self.done = True

    def message(self) -> Any:
        made = operations_pb2.Operation(name=self.name, done=self.done)
        made.metadata.Pack(self.metadata._pb)
        if self.error:
            made.error.CopyFrom(status_pb2.Status(**self.error.rpc()))
        elif self.done:
            made.response.Pack(getattr(self.response, "_pb", self.response))
        return made
