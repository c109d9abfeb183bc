"""A discrete-event simulator of engines behind a gateway: what another load, fleet or policy would do, in seconds."""
