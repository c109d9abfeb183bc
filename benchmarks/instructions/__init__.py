"""Instructions that the gateway's path executes: a measure that a busy machine does not change."""
