"""How soon a key that is revoked on one machine opens nothing on another."""
