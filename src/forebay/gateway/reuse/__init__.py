"""Doing work once: exact answers kept, identical calls joined, prompts shaped so that engines' own caches hit."""
