"""Where the pipeline runs: compile it, run it here, and show what runs have left."""
