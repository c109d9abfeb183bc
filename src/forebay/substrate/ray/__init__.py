"""Engines on a Ray cluster. On this machine each is a unit like any other: an agent, which holds on to its engine.

The agent never imports Ray, so that it survives what ends Ray's own processes: a head that is restarted. It talks to a
driver, a child that may die and come again, which talks to a detached actor on the engine's node, which runs the engine
under a holder as this machine would. Who is lost takes along what hangs on it, and nothing else:

- the engine or its node: the agent ends too, and the controller starts both again, wherever Ray has room;
- the actor: a leash ends the engine, as above;
- the driver or Ray's head: the engine serves on, and the driver finds the actor by its name when it can;
- the agent: the next one finds the actor and leaves the engine as it is;
- the controller: as everywhere.
"""
