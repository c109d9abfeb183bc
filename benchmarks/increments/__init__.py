"""What each policy adds to a request and to a streamed event, beside the same worker without it."""
