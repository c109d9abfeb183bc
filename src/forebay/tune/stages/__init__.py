"""The stages of the ladder, one a file."""
