"""A small model answers first; what it is not sure of goes to the model that was asked for."""
