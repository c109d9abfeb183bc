"""One kind of anomaly a file."""
