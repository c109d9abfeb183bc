"""One probe a file: it looks at what runs, and says what it saw."""
