"""What answers prediction requests: docs/serving.md."""
