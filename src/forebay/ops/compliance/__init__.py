"""Controls of laws and standards that software can check: each a live probe with evidence and a date."""
