"""The section `operator`: whether a cluster's Prometheus operator is told what to watch."""

from ...settings import Section


class Operator(Section):
    """A Prometheus operator in the cluster, and how it finds objects; see docs/monitoring.md.

    `labels` are those by which its Prometheus selects monitors and rules, `pushgateway` those of
    the Service that `metrics.pushgateway` names, as its Helm chart gives them.
    """

    labels: dict[str, str] = {}
    pushgateway: dict[str, str] = {"app.kubernetes.io/name": "prometheus-pushgateway"}


SECTIONS = {"operator": (Operator | None, None)}
