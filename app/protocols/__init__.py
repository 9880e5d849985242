"""The shipped protocol definitions: one folder per version, one JSON file per section."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib import resources
from typing import Any


def read_definition(study_key: str, number: int) -> dict[str, Any]:
    """Read a shipped definition as one document; decimals stay exact.

    Raises FileNotFoundError when no such definition is shipped.
    """
    folder = resources.files(__name__) / study_key / f"v{number}"
    sections = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(".json"): json.loads(
            entry.read_text(encoding="utf-8"), parse_float=Decimal
        )
        for entry in sections
        if entry.name.endswith(".json")
    }
