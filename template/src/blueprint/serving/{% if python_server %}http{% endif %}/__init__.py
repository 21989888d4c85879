"""The HTTP server: requests to arrays, predictions, and what a platform asks of a server."""
