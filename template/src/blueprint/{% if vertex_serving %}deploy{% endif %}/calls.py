"""What the endpoint and the model's versions both need of Vertex AI: look, list, ask, and wait for
what it does by itself. All by plain REST: the SDK takes seconds to import."""

import time
from collections.abc import Iterator
from typing import Any

from ..errors import UserError
from ..targets.vertex.client import Api, CloudError
from ..targets.vertex.settings import Vertex

Object = dict[str, Any]


class Calls:
    """The API of one project and region. What goes wrong is a UserError of one line."""

    def __init__(self, vertex: Vertex) -> None:
        self.vertex, self.api = vertex, Api(vertex)

    def get(self, path: str) -> Object | None:
        """What lies at a path of the API; None where there is nothing."""
        try:
            return self.api.get("aiplatform", f"v1/{path}")
        except CloudError as error:
            if error.code == 404:
                return None
            raise

    def pages(self, path: str, key: str, **query: Any) -> Iterator[Object]:
        """Everything in a list; nothing where there is none."""
        try:
            yield from self.api.pages("aiplatform", f"v1/{path}", key, **query)
        except CloudError as error:
            if error.code != 404:
                raise

    def predict(self, url: str, body: Object, seconds: float) -> tuple[int, Object]:
        """Status and body of an answer, whatever it says; 0 is no answer."""
        import requests
        from google.auth.exceptions import GoogleAuthError

        try:
            answer = self.api.session.post(url, json=body, timeout=seconds)
            found = answer.json()
        except (requests.RequestException, GoogleAuthError, ValueError) as error:
            return 0, {"error": str(error)}
        return answer.status_code, found if isinstance(found, dict) else {"error": found}

    def wait(self, operation: str, seconds: float) -> Object:
        """The result of a long-running operation. Raises UserError when it fails, and TimeoutError
        when it takes longer: then it goes on by itself."""
        end = time.monotonic() + seconds
        while True:
            found = self.get(operation) or {"done": True}
            if problem := found.get("error"):
                raise UserError(f"Vertex AI: {' '.join(str(problem.get('message')).split())[:600]}")
            if found.get("done"):
                result: Object = found.get("response", {})
                return result
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(min(self.vertex.poll_seconds, seconds))

    def under_way(self, resource: str) -> list[str]:
        """The operations there that are not done, such as what a killed command began."""
        listed = self.pages(f"{resource}/operations", "operations", pageSize=100)
        return [each["name"] for each in listed if not each.get("done")]

    def settle(self, resource: str, seconds: float) -> bool:
        """Wait until nothing is under way there any more; whether there was anything.

        How it ended shows in what is there then.
        """
        operations = self.under_way(resource)
        for operation in operations:
            try:
                self.wait(operation, seconds)
            except TimeoutError:
                raise UserError(
                    f"{operation} is still under way: try again when it is done"
                ) from None
            except UserError:
                pass
        return bool(operations)
