"""One controller of several leads: over a machine through the kernel, over several through a Valkey."""
