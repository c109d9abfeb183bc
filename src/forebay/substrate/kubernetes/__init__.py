"""Engines in a Kubernetes cluster. On this machine each is a unit like any other: an agent, which holds on to its pod.

A pod is never started again by its node (`restartPolicy: Never`): whether, when and as what an engine comes back is for
the controller to decide, which sees it end. Who is lost takes along what hangs on it, and nothing else:

- the engine, its pod or its node: the agent ends too, and the controller starts both again, wherever there is room;
- the API server: the engine serves on, and the agent waits for the server;
- the agent: the next one finds the pod by its labels and leaves it as it is, if it is what is wanted;
- the controller: as everywhere.
"""
