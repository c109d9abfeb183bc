"""What callers do that they do not usually do. Pure: lines of the access log go in, anomalies come out."""
