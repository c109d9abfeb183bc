"""What it costs to know who calls."""
