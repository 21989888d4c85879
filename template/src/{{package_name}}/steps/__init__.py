"""Your code: what the data is and how the model is trained. Template updates never touch it."""
