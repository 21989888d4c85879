"""The loop: a model whose rows have drifted is trained again, where that is allowed."""
