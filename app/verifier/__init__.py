"""What is handed to those who do not want to trust this service: one file that stands alone."""
