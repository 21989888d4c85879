"""A pod whose clients ask a Service all the time; how often each answer came."""

import json
from typing import Any

from support.cluster import kubectl

ASK = """
import collections, http.client, json, sys, threading, time
host, model, seconds, row = sys.argv[1:]
body = json.dumps({"instances": [json.loads(row)]})
end, seen = time.monotonic() + float(seconds), collections.Counter()

def ask(keep):
    connection = None
    while time.monotonic() < end:
        try:
            connection = connection or http.client.HTTPConnection(host, timeout=20)
            connection.request("POST", f"/v1/models/{model}:predict", body)
            answer = connection.getresponse()
            answer.read()
            seen[f"{answer.status} {answer.getheader('X-Model-Version')}"] += 1
        except (OSError, http.client.HTTPException) as error:
            seen[f"lost: {error!r}"] += 1
            connection = None
        if connection and not keep:
            connection.close()
            connection = None
        time.sleep(0.04)

threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(json.dumps(seen))
"""


class Clients:
    """Four of them for some seconds, two by connections that they keep. Their image is that of the
    server, which this cluster can pull."""

    def __init__(self, namespace: str, name: str, server: dict[str, Any], row: str, seconds: int):
        self.at, [container] = f"--namespace={namespace}", server["spec"]["containers"]
        command = ["python", "-c", ASK, name, name, str(seconds), row]
        security = container["securityContext"]
        image = {"name": "clients", "image": container["image"], "securityContext": security}
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": server["spec"]["securityContext"],
            "containers": [image | {"command": command}],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "clients"}, "spec": spec}
        kubectl("apply", self.at, "--filename=-", text=json.dumps(pod))
        kubectl("wait", self.at, "--for=condition=Ready", "pod/clients", "--timeout=60s")

    def answers(self, seconds: int) -> dict[str, int]:
        """How often each answer came, once they have ended."""
        done = ("--for=jsonpath={.status.phase}=Succeeded", f"--timeout={seconds}s")
        kubectl("wait", self.at, *done, "pod/clients", timeout=seconds + 9)
        counted: dict[str, int] = json.loads(kubectl("logs", self.at, "clients"))
        kubectl("delete", self.at, "pod/clients")
        print(f"  {sum(counted.values())} requests: {counted}")
        return counted
