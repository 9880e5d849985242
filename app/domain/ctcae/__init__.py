"""NCI CTCAE v5.0: the terms with the grades that exist, and the numeric laboratory grading."""
