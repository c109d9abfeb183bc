"""What was measured: its form, its statistics, and how it is shown, compared and imported."""
