"""Judges a canary against a baseline that runs beside it: pure statistics over what both answered."""
