"""Engines that are found instead of listed: sources, and the laws that a changing answer is followed by."""
