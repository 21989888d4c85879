"""What the server tells Prometheus beyond requests and time: docs/metrics.md."""
