"""Configuration, clock, ids, database, security and logging; nothing here knows the trial."""
