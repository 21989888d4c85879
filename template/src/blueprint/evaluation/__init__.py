"""How good the exported model is: metrics, evidence, and one report for page, card and comment."""
