"""Prescriptions: who may be infused next, and with what dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.disposition import check_infusion, check_prescription, end_days
from app.domain.dosing import calculate_dose
from app.domain.errors import DomainError, Reason, conflict, forbidden, invalid
from app.models import Infusion, Subject
from app.services.access import Actor
from app.services.escalation import dosing_allowed
from app.services.evidence import Place, Scope, SubjectEvidence, load_subject
from app.services.history import lock
from app.services.infusions import InfusionKey, InfusionWithConduct, read_infusion
from app.services.locks import lock_study
from app.services.protocols import ActiveProtocol, active_protocol
from app.services.role_matrix import Area, Right
from app.services.subjects import status_of


@dataclass(frozen=True, slots=True)
class Treatment:
    """A locked, enrolled subject with what is known now and the protocol in force."""

    site_id: UUID
    place: Place
    evidence: SubjectEvidence
    protocol: ActiveProtocol


async def open_treatment(
    session: AsyncSession, actor: Actor, subject_id: UUID, now: datetime
) -> Treatment:
    """Lock the study, then the subject, and read its treatment; raise conflict if not enrolled.

    The study's own lock keeps DLTs and decisions out that may forbid the dose meanwhile.
    """
    await lock_study(session, actor.study_id)
    subject = await lock(session, Subject, actor.study_id, subject_id, None)
    protocol = await active_protocol(session, actor.study_id, now)
    scope = Scope(actor.study_id, ZoneInfo(actor.time_zone), None, subject_id)
    evidence = await load_subject(session, scope)
    if evidence.place is None:
        raise conflict("not_enrolled", "Enrol the subject before infusions are prescribed.")
    return Treatment(subject.site_id, evidence.place, evidence, protocol)


async def prescribe_infusion(
    session: AsyncSession,
    actor: Actor,
    subject_id: UUID,
    values: Mapping[str, Any],
    now: datetime,
) -> InfusionWithConduct:
    """Prescribe the next infusion at the level of the subject's enrolment.

    A planned day in the past enters late what was given then, so only the subject's exit is held
    against it. Raises conflict for a subject whose treatment is not open, when all infusions are
    prescribed, or while nobody may be dosed on the level; invalid for a missing or implausible
    weight.
    """
    treatment = await open_treatment(session, actor, subject_id, now)
    number = _next_number(treatment, values["number"])
    place, day = treatment.place, values["planned_date"]
    if day < treatment.protocol.local_day(now):
        check_infusion(day, end_days(treatment.evidence.dispositions))
    else:
        check_prescription(status_of(treatment.evidence, treatment.protocol.rules))
        refuse_dosing(await dosing_allowed(session, actor, place.dose_level, place.phase, now))
    row = Infusion(
        study_id=actor.study_id,
        id=new_id(),
        subject_id=subject_id,
        number=number,
        dose_level=place.dose_level,
    )
    _plan(row, day, treatment)
    _calculate(row, values["weight_kg"] or treatment.evidence.subject.weight_kg, treatment)
    row.prescribed_by = actor.principal_id
    session.add(row)
    await session.flush()
    return await read_infusion(session, actor, InfusionKey(subject_id, number), now, None)


def represcribe(
    actor: Actor, row: Infusion, values: Mapping[str, Any], treatment: Treatment
) -> None:
    """Change the planned day or the weight of an infusion that has not started.

    Raises forbidden unless the actor may prescribe, conflict after the start.
    """
    if not actor.may(Area.DOSE_ORDER, Right.CREATE, treatment.site_id):
        raise forbidden(
            "prescriber_needed", "The planned day and the weight are changed by a prescriber."
        )
    if row.started_at is not None:
        raise conflict("infusion_started", "The infusion has started; its order stays as it was.")
    if "planned_date" in values:
        _plan(row, values["planned_date"], treatment)
    if "weight_kg" in values:
        _calculate(row, values["weight_kg"], treatment)
    row.prescribed_by = actor.principal_id


def refuse_dosing(reasons: tuple[Reason, ...]) -> None:
    """Raise conflict if there is any reason why nobody may be dosed."""
    if reasons:
        raise conflict(
            "dosing_not_allowed", "Nobody may be dosed on this level; see errors.", reasons
        )


def _next_number(treatment: Treatment, wanted: int | None) -> int:
    """Return the number of the infusion to prescribe; infusions are prescribed in order.

    One that was begun, gave nothing and was cancelled is made up for by another one.
    """
    infusions = treatment.evidence.infusions
    number = 1 + max((infusion.number for infusion in infusions), default=0)
    level = treatment.protocol.rules.dosing.level(treatment.place.dose_level)
    if sum(not infusion.voided for infusion in infusions) >= level.planned_infusions:
        raise conflict(
            "all_prescribed",
            "All infusions of the subject's level are prescribed; change one that has not started, "
            "or cancel one that gave nothing before you prescribe another.",
        )
    if wanted is not None and wanted < number:
        raise conflict("infusion_exists", "This infusion is prescribed already; change that one.")
    if wanted is not None and wanted > number:
        raise conflict("infusion_skipped", "Infusions are prescribed in order; leave none out.")
    return number


def _plan(row: Infusion, day: date, treatment: Treatment) -> None:
    consent_day = treatment.evidence.subject.consent_day
    if consent_day is not None and day < consent_day:
        raise invalid(
            "planned_before_consent",
            "An infusion cannot be planned before consent.",
            "/body/planned_date",
        )
    row.planned_date = day


def _calculate(row: Infusion, weight_kg: Decimal | None, treatment: Treatment) -> None:
    """Put the dose for a weight on the prescription."""
    if weight_kg is None:
        raise invalid(
            "weight_missing",
            "Give the weight; none is recorded for the subject.",
            "/body/weight_kg",
        )
    try:
        dose = calculate_dose(weight_kg, row.dose_level, treatment.protocol.rules.dosing)
    except DomainError as error:
        raise error.below("/body") from None
    row.weight_kg = weight_kg
    row.planned_cells = dose.per_infusion.cells
    row.planned_volume_ml = dose.per_infusion.volume_ml
    row.planned_bags = dose.per_infusion.bags
