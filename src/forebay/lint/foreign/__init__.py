"""Reads what starts vLLM elsewhere: command lines, shell scripts and compose files. Nothing of it is ever run."""
