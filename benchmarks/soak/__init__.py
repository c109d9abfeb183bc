"""Whether memory stays flat over very many requests."""
