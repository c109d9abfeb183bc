"""Operating the service: what an operator asks before and between releases."""
