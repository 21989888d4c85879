"""A version to where it is served on a cluster: `make deploy`, `make status`, `make rollback`."""
