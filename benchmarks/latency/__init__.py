"""What the gateway adds to the latency of a call while it is busy, beside the engine asked directly."""
