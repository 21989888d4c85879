"""Vertex AI Pipelines: the same pipeline submitted, followed and scheduled on Google Cloud."""
