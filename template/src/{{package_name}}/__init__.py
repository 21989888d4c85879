"""What makes, judges and serves the model; `cli` is the door."""
