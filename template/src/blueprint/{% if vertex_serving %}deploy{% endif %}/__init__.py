"""A version to an endpoint of Vertex AI: `make deploy`, `make status`, `make rollback`."""
