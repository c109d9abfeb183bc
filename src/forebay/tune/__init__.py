"""Measuring a service, changing one thing, and keeping it only where it is better."""
