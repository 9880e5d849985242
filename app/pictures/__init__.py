"""Pictures of the trial as Vega-Lite specifications with their data, drawn from plain rows."""
