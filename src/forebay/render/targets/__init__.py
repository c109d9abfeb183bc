"""One target of `forebay render` a file."""
