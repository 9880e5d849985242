"""HL7 v2 (2.2 to 2.8) read tolerantly into results, and the acknowledgement written back."""
