"""OpenTelemetry: a span for each request for predictions, where OTEL_* variables ask for it."""
