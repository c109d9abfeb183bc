"""Masking on the request path: what engines get of a call, and what its client gets of an answer."""
