"""What is looked for, one kind a file."""
