"""What atheris feeds, one parser a file: `check` takes any bytes and fails where its file's invariant does not hold."""
