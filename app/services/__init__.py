"""Use cases: each takes a session and facts, flushes, and never commits."""
