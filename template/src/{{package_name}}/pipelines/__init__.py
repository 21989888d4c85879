"""Kubeflow pipelines: the graph, and one thin component a step. The work is done elsewhere."""
