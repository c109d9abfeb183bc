"""How often the semantic cache is right, how often it would be wrong, and what asking costs."""
