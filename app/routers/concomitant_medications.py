"""Medications beside the study treatment."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.domain.vocabulary import MedicationClass
from app.models import ConcomitantMedication
from app.routers.answers import tag
from app.routers.dependencies import (
    AsOf,
    ExpectedVersion,
    Now,
    OfSubject,
    Paging,
    Session,
    permit,
)
from app.routers.route import TrialRoute
from app.schemas.concomitant_medications import MedicationChange, MedicationCreate, MedicationView
from app.schemas.lists import Listing
from app.services import care, concomitant_medications
from app.services.access import Actor
from app.services.care import CareChange, OnDay
from app.services.role_matrix import Area, Right

router = APIRouter(
    prefix="/studies/{study}/concomitant-medications",
    route_class=TrialRoute,
    tags=["concomitant medications"],
)
Reader = Annotated[Actor, Depends(permit(Area.CARE, Right.READ))]
Recorder = Annotated[Actor, Depends(permit(Area.CARE, Right.CREATE))]
Changer = Annotated[Actor, Depends(permit(Area.CARE, Right.UPDATE))]


@router.get("", summary="List concomitant medications")
async def list_concomitant_medications(
    session: Session,
    actor: Reader,
    wanted: Paging,
    subject: OfSubject,
    medication_class: Annotated[MedicationClass | None, Query(description="Of this class.")] = None,
) -> Listing[MedicationView]:
    """List medications in the order of recording; retracted ones are marked."""
    only = {"subject_id": subject, "medication_class": medication_class}
    found = await care.list_records(session, actor, ConcomitantMedication, only, wanted)
    return Listing[MedicationView].model_validate(found)


@router.post(
    "", status_code=201, summary="Record a concomitant medication", response_model=MedicationView
)
async def create_concomitant_medication(
    session: Session, actor: Recorder, now: Now, body: MedicationCreate, response: Response
) -> OnDay:
    """Record a medication of a subject with the class that the rules look at."""
    values = body.model_dump()
    made = await concomitant_medications.create_medication(session, actor, values, now)
    tag(response, made)
    return made


@router.get(
    "/{medication_id}", summary="Read a concomitant medication", response_model=MedicationView
)
async def read_concomitant_medication(
    session: Session, actor: Reader, medication_id: UUID, past: AsOf, response: Response
) -> OnDay:
    """Read one medication."""
    found = await care.read_record(session, actor, ConcomitantMedication, medication_id, past)
    tag(response, found)
    return found


@router.patch(
    "/{medication_id}",
    summary="Change or retract a concomitant medication",
    response_model=MedicationView,
)
async def change_concomitant_medication(
    session: Session,
    actor: Changer,
    medication_id: UUID,
    version: ExpectedVersion,
    now: Now,
    body: MedicationChange,
    response: Response,
) -> OnDay:
    """Change the fields that are given; needs If-Match and a reason."""
    values = body.model_dump(exclude_unset=True, exclude={"reason"})
    change = CareChange(medication_id, version, values)
    changed = await concomitant_medications.change_medication(session, actor, change, now)
    tag(response, changed)
    return changed
