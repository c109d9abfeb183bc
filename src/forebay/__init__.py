"""forebay: one file into a production vLLM service."""
