"""How much memory very many streams at once cost one worker."""
