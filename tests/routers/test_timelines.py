"""The timeline of a subject over HTTP: everything that happened, once and in order."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.vocabulary import (
    AssessmentKind,
    DispositionEvent,
    LabStatus,
    MedicationClass,
    Role,
    TransfusionProduct,
)
from app.models import (
    Assessment,
    Attestation,
    ConcomitantMedication,
    Disposition,
    LabResult,
    Transfusion,
)
from tests.factories.dosing import dose
from tests.factories.labs import neutrophils
from tests.factories.rows import writing
from tests.factories.subjects import register
from tests.routers.test_adverse_events import EVENT, change


def at(day: int, hour: int = 2) -> datetime:
    """Give an instant in May 2026; hour 2 is ten in the morning at the site."""
    return datetime(2026, 5, day, hour, tzinfo=UTC)


@pytest.fixture
async def subject(api, session) -> str:
    """A subject to whom something of every kind happened."""
    subject = await register(api)
    infusion = await dose(api, subject)
    own = {"study_id": infusion.study_id, "subject_id": UUID(subject)}
    session.add_all(
        [
            Attestation(**own, criterion="I1", met=True),
            Transfusion(
                **own,
                product=TransfusionProduct.RED_CELLS,
                given_at=at(6),
                units=Decimal("1.5"),
            ),
            Transfusion(**own, product=TransfusionProduct.PLASMA, given_at=at(6), retracted=True),
            ConcomitantMedication(
                **own,
                name="Filgrastim",
                medication_class=MedicationClass.G_CSF,
                started_at=at(7),
                ended_at=at(9),
            ),
            ConcomitantMedication(
                **own,
                name="Rasburicase",
                medication_class=MedicationClass.OTHER,
                started_at=at(7, 3),
            ),
            Assessment(**own, kind=AssessmentKind.ECOG, performed_at=at(8), content={}),
            Disposition(
                **own,
                event=DispositionEvent.WITHDREW_TREATMENT,
                event_date=at(20).date(),
                reason="Wished so.",
            ),
        ]
    )
    await session.flush()
    made = await api().post("/labs", json=neutrophils(subject, at(5).isoformat(), value=0.4))
    assert made.status_code == 201, made.text
    body = EVENT | {"subject_id": subject, "onset_at": at(10).isoformat(), "outcome": "recovered"}
    event = (
        await api().post("/adverse-events", json=body | {"ended_at": at(20).isoformat()})
    ).json()
    signed = {"is_dlt": False, "adverse_event_version": 1, "rationale": "Of the disease."}
    answer = await api().post(f"/adverse-events/{event['id']}/dlt-adjudications", json=signed)
    assert answer.status_code == 201, answer.text
    return subject


async def timeline(client, subject: str, **query) -> list[dict]:
    """Read one page."""
    answer = await client.get(f"/subjects/{subject}/timeline", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_everything_is_told_in_order(api, subject):
    """By day and time; of one day the milestones first and the exit last, records by their time."""
    items = await timeline(api(Role.MONITOR), subject)
    told = [(item["kind"], item["title"]) for item in items]
    happened = [
        ("car_t", "CAR-T cells infused"),
        ("consent", "Consent signed"),
        ("screening", "Screening began"),
        ("premedication", "Dexamethasone 5 mg given before infusion 1"),
        ("infusion_started", "Infusion 1 started"),
        ("infusion_stopped", "Infusion 1 stopped: 120 mL, 120000000 cells"),
        ("lab_result", "ANC 0.4 10*9/L"),
        ("transfusion", "Red cells transfused, units: 1.5"),
        ("medication_started", "Filgrastim started"),
        ("medication_started", "Rasburicase given"),
        ("assessment", "Assessed: ecog"),
        ("medication_ended", "Filgrastim ended"),
        ("adverse_event_began", "Hypertension, grade 3, began"),
        ("adverse_event_ended", "Hypertension ended: recovered"),
        ("disposition", "Disposition: withdrew treatment"),
    ]
    recorded = [
        ("enrolment", "Enrolled on level A (escalation), slot 1"),
        ("infusion_prescribed", "Infusion 1 of level A prescribed for 2026-05-04: 120 mL"),
        ("attestation", "Criterion I1 attested as met"),
        ("dlt_adjudication", "Hypertension signed as not dose-limiting"),
    ]
    # The database's clock, which dates what was recorded, runs apart from the test's.
    assert [item for item in told if item in happened] == happened
    assert [item for item in told if item in recorded] == recorded
    assert len(told) == len(happened) + len(recorded)
    assert items == sorted(items, key=lambda item: item["day"])
    consent = items[1]
    assert (consent["day"], consent["at"]) == ("2026-01-02", None)
    assert (consent["record_type"], consent["record_id"]) == ("subject", subject)


async def test_days_are_counted_in_the_studys_zone(api):
    """An event at 23:00 UTC happened on the next day at the site."""
    subject = await register(api)
    body = EVENT | {"subject_id": subject, "onset_at": at(10, 23).isoformat()}
    await api().post("/adverse-events", json=body)
    (item,) = await timeline(api(), subject, kind="adverse_event_began")
    assert (item["day"], item["at"]) == ("2026-05-11", "2026-05-10T23:00:00Z")


async def test_pages_hold_every_item_once(api, subject):
    """Small pages together are the whole, and a filter keeps one kind."""
    whole = await timeline(api(), subject, limit=200)
    paged, query = [], {"limit": 3}
    while True:
        page = (await api().get(f"/subjects/{subject}/timeline", params=query)).json()
        paged += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert paged == whole
    started = await timeline(api(), subject, kind="medication_started")
    assert started == [item for item in whole if item["kind"] == "medication_started"]
    for cursor in ("AAAA", "A" * 23):
        answer = await api().get(f"/subjects/{subject}/timeline?cursor={cursor}")
        assert answer.json()["errors"][0]["pointer"] == "/query/cursor"


async def test_what_did_not_happen_is_left_out(api, session, subject):
    """Retracted events go with what was signed about them; a corrected result is told once."""
    (began,) = await timeline(api(), subject, kind="adverse_event_began")
    event = {"id": began["record_id"], "version": 1}
    assert (await change(api(), event, retracted=True)).status_code == 200
    (lab,) = await timeline(api(), subject, kind="lab_result")
    correction = {"value": 0.5, "unit": "10*9/L", "reason": "Counted again."}
    made = await api().post(f"/labs/{lab['record_id']}/corrections", json=correction)
    assert made.status_code == 201, made.text
    items = await timeline(api(), subject, limit=200)
    kinds = {item["kind"] for item in items}
    assert not kinds & {"adverse_event_began", "adverse_event_ended", "dlt_adjudication"}
    (lab,) = [item for item in items if item["kind"] == "lab_result"]
    assert lab["title"] == "ANC 0.5 10*9/L"


async def test_a_provisional_result_says_so(api, subject):
    """And a result entered in error is not told."""
    said = ((LabStatus.PRELIMINARY, "PLT"), (LabStatus.ENTERED_IN_ERROR, "HGB"))
    async with writing(api) as (session, actor):
        for status, analyte in said:
            row = LabResult(
                study_id=actor.study_id,
                subject_id=UUID(subject),
                result_id=UUID(int=len(analyte) + ord(analyte[0])),
                source="x",
                specimen="x",
                analyte=analyte,
                status=status,
                collected_at=at(12),
                stated_at=at(12),
                standing=2,
                value=Decimal(30),
                unit="10*9/L",
            )
            session.add(row)
    titles = [item["title"] for item in await timeline(api(), subject, kind="lab_result")]
    assert titles == ["ANC 0.4 10*9/L", "PLT 30 10*9/L (preliminary)"]


async def test_a_cancelled_infusion_is_told_when_it_was_cancelled(api, session):
    """The moment is the trail's, because the record only says that it was."""
    subject = await register(api)
    infusion = await dose(api, subject)
    assert await timeline(api(), subject, kind="infusion_cancelled") == []
    async with writing(api, reason="The lot was lost.") as (writer, _):
        writer.add(infusion)
        infusion.started_at = infusion.stopped_at = infusion.volume_ml = infusion.cells = None
        infusion.cancelled = True
    moment = await session.scalar(text("SELECT max(recorded_at) FROM change"))
    async with writing(api, reason="Said so.") as (writer, _):
        writer.add(infusion)
        infusion.note = "Lot was lost."
    (item,) = await timeline(api(), subject, kind="infusion_cancelled")
    assert item["title"] == "Infusion 1 cancelled"
    assert datetime.fromisoformat(item["at"]) == moment


async def test_the_timeline_is_read_as_it_was(api, session, subject, clock):
    """With as_of a later change of the grade and a later event are not there."""
    between = await session.scalar(text("SELECT clock_timestamp()"))
    (began,) = await timeline(api(), subject, kind="adverse_event_began")
    await change(api(), {"id": began["record_id"], "version": 1}, grade=4)
    await api().post("/adverse-events", json=EVENT | {"subject_id": subject})
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    then = await timeline(api(), subject, as_of=between.isoformat(), limit=200)
    assert [item["title"] for item in then if item["kind"] == "adverse_event_began"] == [
        "Hypertension, grade 3, began"
    ]
    assert len(then) == 19
    assert len(await timeline(api(), subject, limit=200)) == 20


async def test_who_may_read_a_timeline(api):
    """Whoever reads subjects; a subject of no study is 404."""
    subject = await register(api)
    assert (await api(Role.SPONSOR).get(f"/subjects/{subject}/timeline")).status_code == 403
    assert (await api(Role.CELL_LABORATORY).get(f"/subjects/{subject}/timeline")).status_code == 403
    assert (await api().get(f"/subjects/{UUID(int=7)}/timeline")).status_code == 404
