"""CPU time that the gateway costs a request and a streamed event, beside nginx in the same run."""
