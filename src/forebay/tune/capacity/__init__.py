"""How many engines of which kind carry a load within its objective."""
