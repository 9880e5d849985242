"""The MLLP listener: HL7 v2 messages over TCP, each stored for good before it is acknowledged."""
