"""The process that watches callers, and what it does about anomalies."""
