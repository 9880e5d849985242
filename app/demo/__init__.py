"""A complete, plausible trial replayed through the public API over HTTP."""
