"""`make cluster`: the parts that a project needs to try things, on a small cluster."""
