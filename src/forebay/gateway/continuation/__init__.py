"""Mid-stream failover: a stream that its engine cut goes on from another, at the very next token."""
