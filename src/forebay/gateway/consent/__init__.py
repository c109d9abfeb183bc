"""Calls for purposes that need a person's consent."""
