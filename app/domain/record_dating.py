"""Which fields of each kind of record the rules read, and how the record lies in time."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.hindsight import Dating

_GIVEN = {"stopped_at": None, "volume_ml": None, "cells": None}

# By the name of the table. Free text and who wrote it down are read by no rule.
DATING: Mapping[str, Dating] = {
    "adverse_event": Dating(
        read=frozenset(
            {
                "term", "soc", "grade", "baseline_grade", "onset_at", "ended_at", "seriousness",
                "causality", "causality_disease", "investigator_declared_dlt",
            }
        ),
        began="onset_at",
        ended="ended_at",
        tail={"ended_at": None},
    ),
    "assessment": Dating(
        read=frozenset({"kind", "performed_at", "content"}), began="performed_at"
    ),
    "concomitant_medication": Dating(
        read=frozenset(
            {"name", "medication_class", "started_at", "ended_at", "ongoing", "half_life_days"}
        ),
        began="started_at",
        ended="ended_at",
        tail={"ended_at": None, "ongoing": True},
    ),
    "disposition": Dating(read=frozenset({"event", "event_date"}), began="event_date"),
    "infusion": Dating(
        read=frozenset(
            {
                "number", "planned_date", "planned_cells", "started_at", "volume_ml", "cells",
                "cancelled",
            }
        ),
        began="started_at",
        ended="stopped_at",
        tail=_GIVEN,
        course={"started_at": None, **_GIVEN},
    ),
    "subject": Dating(
        read=frozenset(
            {
                "sex", "birth_year", "age_at_consent", "childbearing_potential", "consent_date",
                "screening_date", "disease", "car_t_product", "car_t_date",
                "car_t_was_investigational", "had_allogeneic_transplant",
                "allogeneic_transplant_date", "has_copd",
            }
        ),
        progress=frozenset({"weight_kg", "planned_first_infusion_date"}),
    ),
    "transfusion": Dating(read=frozenset({"product", "given_at"}), began="given_at"),
}  # fmt: skip

# A result is stated in versions that never change; the one that counts is compared.
RESULT_FIELDS = frozenset(
    {"analyte", "status", "collected_at", "value", "comparator", "unit", "lln", "uln", "finding"}
)
