"""The section `operator`: whether a cluster's Prometheus operator is told what to watch."""

from ...settings import Section


class Operator(Section):
    """A Prometheus operator in the cluster, and how it finds objects; see docs/monitoring.md.

    `labels` are those by which its Prometheus selects monitors and rules.
    """

    labels: dict[str, str] = {}


SECTIONS = {"operator": (Operator | None, None)}
