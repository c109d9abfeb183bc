"""HTTP framing, server-sent events and OpenAI shapes, without any input or output."""
