"""How long calls fail, and for how long nobody leads, when a part of two dies."""
