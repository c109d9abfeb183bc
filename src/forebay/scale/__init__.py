"""How many engines run: what traffic will come, and how many copies that asks for."""
