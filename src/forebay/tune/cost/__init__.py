"""What the service costs: in total, and for each request, token, tenant and model."""
