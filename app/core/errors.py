"""What the person who runs the service has to put right."""

from __future__ import annotations


class OperatorError(Exception):
    """A command cannot be done; the message says why and what to do, in one sentence."""
