"""Where forebay keeps what must survive: the state directory and SQLite."""
