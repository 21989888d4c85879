"""Kubeflow Pipelines: the same pipeline submitted, followed, scheduled and debugged."""
