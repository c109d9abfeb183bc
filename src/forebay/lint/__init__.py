"""Findings about loaded values: one rule a file."""
