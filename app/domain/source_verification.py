"""Source verification: which items of a record were held against the source, and still are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import invalid
from app.domain.signing import VersionChange

# What of each record stands in a source document; what the service works out is not verified.
SOURCE_ITEMS: Mapping[str, tuple[str, ...]] = {
    "adverse_event": (
        "term", "other_specification", "grade", "baseline_grade", "onset_at", "ended_at",
        "aware_at", "seriousness", "expected", "causality", "causality_premedication",
        "causality_car_t", "causality_disease", "action_taken", "outcome",
        "investigator_declared_dlt", "narrative",
    ),
    "assessment": ("kind", "performed_at", "content"),
    "attestation": ("criterion", "met", "reason"),
    "concomitant_medication": (
        "name", "medication_class", "started_at", "ended_at", "ongoing", "dose", "dose_unit",
        "half_life_days", "indication",
    ),
    "disposition": ("event", "event_date", "contact_attempts", "reason"),
    "infusion": (
        "planned_date", "weight_kg", "premedication_drug", "premedication_dose_mg",
        "premedication_at", "thawed_at", "started_at", "stopped_at", "volume_ml", "cells",
        "viability_percent", "interruptions", "cancelled", "note",
    ),
    "lab_result": (
        "analyte", "specimen", "status", "collected_at", "value", "comparator", "unit", "finding",
        "lln", "uln",
    ),
    "subject": (
        "sex", "birth_year", "age_at_consent", "childbearing_potential", "consent_date",
        "consent_version", "screening_date", "disease", "car_t_product", "car_t_date",
        "car_t_was_investigational", "had_allogeneic_transplant", "allogeneic_transplant_date",
        "has_copd", "weight_kg", "planned_first_infusion_date",
    ),
    "transfusion": ("product", "given_at", "units", "note"),
}  # fmt: skip


class ItemState(StrEnum):
    """Whether an item was verified; `stale` was, and has changed since."""

    VERIFIED = "verified"
    STALE = "stale"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Verification:
    """Somebody held these items of a record in this version against the source."""

    version: int
    items: frozenset[str]


def check_items(record_type: str, items: Collection[str] | None) -> tuple[str, ...]:
    """Return the items that are verified, None being all, in the order of the table.

    Raises invalid for a record that has no source, and for items that it does not have.
    """
    known = SOURCE_ITEMS.get(record_type)
    if known is None:
        raise invalid(
            "not_verifiable",
            f"The records that are verified are {', '.join(SOURCE_ITEMS)}; name one of these.",
            "/body/record_type",
        )
    if items is None:
        return known
    if not set(items) <= set(known):
        raise invalid(
            "unknown_item",
            f"The items of this record are {', '.join(known)}; name some, or null for all.",
            "/body/fields",
        )
    return tuple(item for item in known if item in items)


def stale_items(verification: Verification, changes: Iterable[VersionChange]) -> frozenset[str]:
    """Return which verified items changed after the version that was verified.

    A change that is taken back later counts: what stands in between was not in the source.
    """
    changed = (change.fields for change in changes if change.version > verification.version)
    return verification.items.intersection(frozenset().union(*changed))


def item_states(
    items: Iterable[str],
    verifications: Collection[Verification],
    changes: Collection[VersionChange],
) -> dict[str, ItemState]:
    """Say of each item where it stands by all verifications of its record."""
    stale: set[str] = set()
    verified: set[str] = set()
    for each in verifications:
        moved = stale_items(each, changes)
        stale |= moved
        verified |= each.items - moved
    return {item: _state(item in verified, item in stale) for item in items}


def _state(is_verified: bool, is_stale: bool) -> ItemState:
    if is_verified:
        return ItemState.VERIFIED
    return ItemState.STALE if is_stale else ItemState.UNVERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many records and items there are, and how many of them stand verified."""

    records: int
    records_verified: int
    items: int
    items_verified: int
    items_stale: int


def cover(records: Collection[Mapping[str, ItemState]]) -> Coverage:
    """Count over records; one is verified when each of its items is."""
    states = Counter(state for record in records for state in record.values())
    whole = (set(record.values()) == {ItemState.VERIFIED} for record in records)
    return Coverage(
        records=len(records),
        records_verified=sum(whole),
        items=states.total(),
        items_verified=states[ItemState.VERIFIED],
        items_stale=states[ItemState.STALE],
    )
