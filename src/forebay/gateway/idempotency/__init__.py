"""Idempotency-Key: of the calls that carry the same one, at most one is generated."""
