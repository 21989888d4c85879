"""The model's rules and dashboards as objects of a cluster, for the Prometheus operator."""
