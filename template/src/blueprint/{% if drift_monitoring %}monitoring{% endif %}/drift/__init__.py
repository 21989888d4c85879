"""Whether what the model is asked, and what it predicts, is still what it was made of."""
