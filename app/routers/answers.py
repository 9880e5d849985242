"""Answers: conclusions as exact JSON, and the ETag of a record's version."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from app.core.serialization import to_readable_json


class ExactJSON(JSONResponse):
    """A conclusion written digit for digit, without a second validation."""

    def render(self, content: Any) -> bytes:
        """Write dataclasses, decimals, dates and words as JSON."""
        return to_readable_json(content).encode()


class Versioned(Protocol):
    """A row that counts its versions."""

    @property
    def version(self) -> Any:
        """Return the number of the version."""


def tag(response: Response, row: Versioned) -> None:
    """Put the version of a row on its answer as a strong ETag."""
    response.headers["ETag"] = f'"v{row.version}"'
