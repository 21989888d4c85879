"""`make monitor`: Prometheus, Alertmanager and Grafana beside the server."""
