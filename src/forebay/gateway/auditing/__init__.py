"""Calls on the audit log: what is decided about them is on the disk before it takes effect."""
