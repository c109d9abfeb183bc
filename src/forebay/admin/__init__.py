"""The admin API and the metrics page, in a process of their own."""
