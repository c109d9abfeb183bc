"""How far the simulator is from real engines, and how fast it plays a day."""
