"""What pipelines tell Prometheus: docs/metrics.md."""
