"""What on this machine would stop the service, each with its fix."""
