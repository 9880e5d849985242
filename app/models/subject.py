"""Subjects, what was attested about their eligibility, their slot, and how they left."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.vocabulary import CohortPhase, Disease, DispositionEvent, Sex
from app.models.base import Fact, Record, choice, scoped


class Subject(Record):
    """A screened person, known here by number only; identity is kept elsewhere."""

    __tablename__ = "subject"
    __table_args__ = (
        *scoped(site_id="site"),
        UniqueConstraint("study_id", "number"),
        CheckConstraint("birth_year BETWEEN 1900 AND 2100", name="birth_year"),
        CheckConstraint("weight_kg IS NULL OR weight_kg > 0", name="weight_kg"),
    )

    number: Mapped[str]
    site_id: Mapped[UUID]
    sex: Mapped[Sex] = mapped_column(choice(Sex, "sex"))
    birth_year: Mapped[int]
    age_at_consent: Mapped[int | None]
    childbearing_potential: Mapped[bool | None]
    consent_date: Mapped[date | None]
    consent_version: Mapped[str | None]
    screening_date: Mapped[date]
    disease: Mapped[Disease] = mapped_column(choice(Disease, "disease"))
    car_t_product: Mapped[str | None]
    car_t_date: Mapped[date | None]
    car_t_was_investigational: Mapped[bool | None]
    had_allogeneic_transplant: Mapped[bool | None]
    allogeneic_transplant_date: Mapped[date | None]
    has_copd: Mapped[bool | None]
    weight_kg: Mapped[Decimal | None]
    planned_first_infusion_date: Mapped[date | None]


class Attestation(Fact):
    """A person's answer to one eligibility criterion; the latest counts."""

    __tablename__ = "attestation"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(None, "study_id", "subject_id", "criterion", "id"),
    )

    subject_id: Mapped[UUID]
    criterion: Mapped[str]
    met: Mapped[bool]
    reason: Mapped[str | None]


class Cohort(Fact):
    """A dose level opened in a phase; how many places it has follows from the decisions."""

    __tablename__ = "cohort"
    __table_args__ = (
        *scoped(decision_id="escalation_decision"),
        UniqueConstraint("study_id", "dose_level", "phase"),
    )

    dose_level: Mapped[str]
    phase: Mapped[CohortPhase] = mapped_column(choice(CohortPhase, "phase"))
    decision_id: Mapped[UUID | None]


class Enrolment(Fact):
    """The slot a subject took; a replacement takes the slot of one who cannot be evaluated."""

    __tablename__ = "enrolment"
    __table_args__ = (
        *scoped(
            subject_id="subject",
            cohort_id="cohort",
            replaces_id="enrolment",
            protocol_version_id="protocol_version",
        ),
        UniqueConstraint("study_id", "subject_id"),
        UniqueConstraint("study_id", "replaces_id"),
        Index(
            "uq_enrolment_slot",
            "study_id",
            "cohort_id",
            "slot",
            unique=True,
            postgresql_where=text("replaces_id IS NULL"),
        ),
        CheckConstraint("slot BETWEEN 1 AND 6", name="slot"),
    )

    subject_id: Mapped[UUID]
    cohort_id: Mapped[UUID]
    slot: Mapped[int]
    replaces_id: Mapped[UUID | None]
    protocol_version_id: Mapped[UUID]
    evidence: Mapped[dict[str, Any]]
    evidence_digest: Mapped[str]


class Disposition(Record):
    """How and when a subject left the treatment or the trial; a retracted one never happened."""

    __tablename__ = "disposition"
    __table_args__ = (
        *scoped(subject_id="subject"),
        Index(
            "uq_disposition_event", "study_id", "subject_id", "event", unique=True,
            postgresql_where=text("NOT retracted"),
        ),
    )  # fmt: skip

    subject_id: Mapped[UUID]
    event: Mapped[DispositionEvent] = mapped_column(choice(DispositionEvent, "event"))
    event_date: Mapped[date]
    contact_attempts: Mapped[int | None]
    reason: Mapped[str]
    retracted: Mapped[bool] = mapped_column(server_default=text("false"))
