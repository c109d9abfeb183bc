"""Which engine takes a call: one policy a file."""
