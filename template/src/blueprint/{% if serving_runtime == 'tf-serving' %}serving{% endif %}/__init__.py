"""The model server: TensorFlow Serving in a container. See docs/serving.md, docs/tf-serving.md."""
