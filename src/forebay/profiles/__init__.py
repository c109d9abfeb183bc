"""Environments, scenarios and hardware, as data."""
