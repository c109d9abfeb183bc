"""What it costs that streams can be continued."""
