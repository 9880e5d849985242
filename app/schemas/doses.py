"""Dose calculations on the wire."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from app.domain.dosing import VolumeRounding, WeightSource
from app.schemas.types import Number, PositiveNumber, View

_PLAIN = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


def _plain_text(value: Any) -> Any:
    """Take a parameter in plain notation: no sign, exponent, blank or word; never as a float."""
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise ValueError("This must be a plain decimal number like 60.5.")
    return Decimal(value)


WeightParameter = Annotated[PositiveNumber, BeforeValidator(_plain_text)]


class ProductAmountView(View):
    """An amount of product."""

    cells: Number
    volume_ml: Number
    bags: int
    waste_volume_ml: Number = Field(description="What stays in the opened bags.")


class DoseView(View):
    """The dose of one level for one weight, with the numbers it was computed from."""

    weight_kg: Number
    weight_source: WeightSource
    dose_level: str
    planned_infusions: int
    cells_per_kg: Number
    bag_cells: Number
    bag_volume_ml: Number
    volume_rounding: VolumeRounding
    per_infusion: ProductAmountView
    cumulative: ProductAmountView
    rule: str
    protocol_version: int
    protocol_digest: str
    as_of: datetime
