"""The registry: MLflow runs and versions, promotion, and the store that servers read."""
