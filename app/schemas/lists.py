"""The shape of every list: items and the cursor of the next page."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from app.schemas.types import View

Item = TypeVar("Item")


class Listing(View, Generic[Item]):
    """One page."""

    items: list[Item]
    next: str | None = Field(description="Pass as `cursor` for the next page; null on the last.")
