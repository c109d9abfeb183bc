"""Two releases side by side: which calls go to the canary, which to the baseline beside it, and which are mirrored."""
