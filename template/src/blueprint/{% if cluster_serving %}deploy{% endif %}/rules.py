"""What the rules of a namespace reject, and how to meet them: docs/existing-cluster.md.

A quota, limits of a container, Pod Security, and policies (of Kubernetes, Kyverno, Gatekeeper …).
"""

import re

OVERLAY = "in deploy/overlays/<ENV>"
WAYS_OUT = {
    r"failed quota.* must specify": f"set it for each of them {OVERLAY}/deployment.yaml",
    r"exceeded quota": f"ask for less {OVERLAY}/deployment.yaml, or for a larger quota",
    r"(maximum|minimum) \w+ usage per|limit to request ratio per": (
        f"change `resources` {OVERLAY}/deployment.yaml"
    ),
    r"violates PodSecurity": f"change `securityContext` {OVERLAY}/deployment.yaml",
    r"denied (the )?request": f"meet that {OVERLAY}; images come from images.registry",
}


def way_out(message: str) -> str:
    """How to meet the rule that a message is about, to be put behind it; "" for another message."""
    for pattern, remedy in WAYS_OUT.items():
        if re.search(pattern, message):
            return f": {remedy} (docs/existing-cluster.md)"
    return ""
