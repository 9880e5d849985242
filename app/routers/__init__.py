"""HTTP only: each endpoint is its annotations and one service call."""
