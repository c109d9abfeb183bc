"""The smallest shared parts: errors, units, time, identifiers, registries. Imports nothing of forebay but messages."""
