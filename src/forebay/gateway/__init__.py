"""The data path: one straight line from a client's bytes to an engine and back."""
