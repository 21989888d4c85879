"""`make stack`: MLflow with a database and an object store, and the model server."""
