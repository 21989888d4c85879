"""`make columns`: `data.columns` for a source, proposed from its rows."""
