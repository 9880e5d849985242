"""FHIR R4: what laboratory systems send becomes results, records become resources."""
