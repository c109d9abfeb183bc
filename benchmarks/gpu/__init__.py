"""What is measured on machines with GPUs."""
