"""Engines in containers on one or more Docker hosts. On this machine each is a unit like any other: an agent.

The agent speaks to a host's daemon through the `docker` command, which knows unix sockets, TLS and ssh. Who is lost
takes along what hangs on it, and nothing else:

- the container: the agent ends and says why, and the controller starts both again, wherever there is room;
- the agent: the next one finds the container by its labels and leaves it as it is;
- the daemon: with `live-restore` the container serves on, and the agent waits for the daemon;
- the host: the controller finds the engine silent and starts it on another; what comes back there is removed;
- the controller: as everywhere.
"""
