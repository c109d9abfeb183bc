"""How much masking finds, how much it finds that is none, and what it costs."""
