"""Wire formats of laboratory systems, translated to and from the services."""
