"""The load generator beside other tools, on one engine."""
