"""What an engine is, how its command is built, and how its health is judged."""
