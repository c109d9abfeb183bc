"""Configuration files for other programs, from one model."""
