"""A shell script followed without running it: which commands it would run, with which words, as far as it tells."""
