"""Releases: immutable versions of a configuration, and how one takes the place of another."""
