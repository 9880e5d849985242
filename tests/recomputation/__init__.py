"""The metrics computed a second time, from exported records and the protocol alone.

Nothing here but the exporter and the tests knows the application: what is right is read from the
protocol definition, its assumptions and the meaning of the exported fields.
"""
