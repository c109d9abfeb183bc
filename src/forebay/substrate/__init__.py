"""Where engines and workers run."""
