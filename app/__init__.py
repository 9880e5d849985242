"""MSC-ICAHT: a service that records the facts of a cell-therapy trial and derives the rest."""
