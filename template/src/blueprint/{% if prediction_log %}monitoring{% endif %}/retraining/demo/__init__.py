"""`make demo-drift`: drift comes, is found, is answered by a training, and goes."""
