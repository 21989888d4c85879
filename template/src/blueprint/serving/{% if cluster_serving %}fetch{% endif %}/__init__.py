"""The model's way into a pod: `python -m blueprint.serving.fetch` brings the pinned version."""
