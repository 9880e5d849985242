"""A consented subject, enrolled and infused by rows of the tables, for tests of what follows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.vocabulary import Role
from app.models import Cohort, Enrolment, Infusion, Operation, Principal, ProtocolVersion, Subject

SUBJECT = {
    "sex": "female",
    "birth_year": 1980,
    "age_at_consent": 45,
    "consent_date": "2026-01-02",
    "screening_date": "2026-01-05",
    "disease": "lymphoma",
    "car_t_date": "2025-12-01",
    "weight_kg": 60,
}
FIRST_INFUSION = datetime(2026, 5, 4, 2, tzinfo=UTC)


async def register(api, **changes) -> str:
    """Register a consented subject over HTTP and return its id."""
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def dose(session: AsyncSession, subject_id: str, started_at=FIRST_INFUSION) -> Infusion:
    """Enrol a subject on level A and record its one infusion as given."""
    study_id = await session.scalar(select(Subject.study_id).where(Subject.id == UUID(subject_id)))
    await begin(session, study_id)
    session.add(
        Enrolment(
            study_id=study_id,
            subject_id=UUID(subject_id),
            cohort_id=await session.scalar(select(Cohort.id)),
            slot=1,
            protocol_version_id=await session.scalar(select(ProtocolVersion.id)),
            evidence={},
            evidence_digest="",
        )
    )
    await session.flush()
    infusion = Infusion(
        study_id=study_id,
        id=new_id(),
        subject_id=UUID(subject_id),
        number=1,
        dose_level="A",
        planned_date=started_at.date(),
        weight_kg=Decimal(60),
        planned_cells=Decimal(120_000_000),
        planned_volume_ml=Decimal(120),
        planned_bags=2,
        prescribed_by=await session.scalar(select(Principal.id).limit(1)),
        started_at=started_at,
        stopped_at=started_at + timedelta(minutes=30),
        volume_ml=Decimal(120),
        cells=Decimal(120_000_000),
    )
    session.add(infusion)
    await session.flush()
    return infusion


async def begin(session: AsyncSession, study_id: UUID) -> None:
    """Open the operation that rows written by a test name."""
    operation = Operation(
        study_id=study_id,
        id=new_id(),
        actor_name="x",
        role="x",
        organisation="x",
        command="x",
        reason="x",
        request_id="x",
    )
    session.add(operation)
    await session.flush()
    await session.execute(
        text("SELECT set_config('app.operation_id', :id, true)"), {"id": str(operation.id)}
    )
