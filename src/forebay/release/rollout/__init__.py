"""A release on part of the calls: who is compared with whom, what the logs say of them, and what follows from it."""
