"""Enrolment over HTTP: the place that is taken, and every reason why there is none."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from app.core.serialization import digest
from app.domain.vocabulary import Role
from app.models import Enrolment, LabResult
from tests.factories.dosing import infuse
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.ladder import amend, codes, decide, read_ladder, treat
from tests.factories.rows import at, move_to, writing
from tests.factories.subjects import (
    FIRST_INFUSION,
    eligible_subject,
    enrol,
    enrolled_subject,
    screened_subject,
)


async def leave(api, subject, event, day="2026-06-01"):
    """Record an exit."""
    body = {"event": event, "event_date": day, "reason": "As it was."}
    answer = await api().post(f"/subjects/{subject['id']}/disposition", json=body)
    assert answer.status_code == 201, answer.text


async def test_an_eligible_subject_takes_the_first_place(api):
    """The answer names level, phase and slot; the subject's status and level follow."""
    subject = await eligible_subject(api)
    answer = await enrol(api, subject)
    assert answer.status_code == 201, answer.text
    place = answer.json()
    assert (place["dose_level"], place["phase"], place["slot"]) == ("A", "escalation", 1)
    assert (place["replaces_id"], place["warnings"], place["flags"]) == (None, [], [])
    assert place["protocol_version"] == 1
    shown = (await api().get(f"/subjects/{subject['id']}")).json()
    assert (shown["status"], shown["dose_level"]) == ("enrolled", "A")


async def test_the_eligibility_is_kept_with_the_place(api, session):
    """The enrolment stores every criterion as it was, under a digest that can be computed again."""
    place = (await enrolled_subject(api))["enrolment"]
    row = await session.scalar(select(Enrolment).where(Enrolment.id == UUID(place["id"])))
    assert row.evidence["eligibility"]["verdict"] == "eligible"
    assert len(row.evidence["eligibility"]["criteria"]) > 40
    assert row.evidence["protocol"]["number"] == 1
    assert digest(row.evidence) == row.evidence_digest == place["evidence_digest"]


async def test_a_second_subject_is_warned_of_the_stagger(api):
    """Nobody of the level has been dosed yet, which is a warning and no refusal."""
    await enrolled_subject(api)
    second = await enrolled_subject(api)
    assert second["enrolment"]["slot"] == 2
    assert [each["code"] for each in second["enrolment"]["warnings"]] == ["stagger"]


async def test_a_planned_day_that_has_passed_needs_a_reason(api, clock):
    """Windows that count back from a day gone by let in late entry only, and that is remarked."""
    move_to(clock, FIRST_INFUSION + timedelta(days=1))
    subject = await eligible_subject(api)
    refused = await enrol(api, subject)
    assert (refused.status_code, codes(refused)) == (409, ["plan_passed"])
    assert refused.json()["errors"][0]["pointer"] == "/body/reason"
    taken = await enrol(api, subject, reason="Entered from paper a day late.")
    assert taken.status_code == 201, taken.text
    assert [each["code"] for each in taken.json()["flags"]] == ["planned_infusion_passed"]


async def test_every_criterion_in_the_way_is_named(api):
    """An excluding result, an open answer and the missing consent are three reasons."""
    subject = await eligible_subject(api, consent_date=None)
    async with writing(api) as (session, actor):
        session.add(high_bilirubin(actor.study_id, UUID(subject["id"])))
    answer = await enrol(api, subject)
    reasons = {each["code"]: each for each in answer.json()["errors"]}
    assert codes(answer) == ["consent_missing", "criterion_unknown", "criterion_failed"]
    assert answer.json()["code"] == "enrolment_refused"
    assert reasons["criterion_failed"]["pointer"] == "/criteria/E8"
    assert reasons["criterion_unknown"]["pointer"] == "/criteria/I1"


def high_bilirubin(study_id, subject_id):
    """Make a result at 1.5 times its limit, which shuts out."""
    id_ = uuid4()
    return LabResult(
        study_id=study_id, id=id_, result_id=id_, subject_id=subject_id, source="manual",
        specimen="later", analyte="TBIL", status="final", value=30, uln=20, unit="umol/L",
        collected_at=at(date(2026, 5, 31)), stated_at=at(date(2026, 5, 31)), standing=2,
    )  # fmt: skip


async def test_a_screened_subject_hears_all_that_is_open(api):
    """Every criterion without an answer is listed, not only the first."""
    found = codes(await enrol(api, await screened_subject(api)))
    assert len(found) > 20
    assert set(found) == {"criterion_unknown"}


async def test_nobody_is_enrolled_twice(api):
    """The refusal names the level."""
    subject = await enrolled_subject(api)
    answer = await enrol(api, subject)
    assert codes(answer) == ["already_enrolled"]
    assert "level A" in answer.json()["errors"][0]["message"]


async def test_nobody_is_enrolled_after_leaving(api):
    """A subject who failed screening stays out, however eligible."""
    subject = await eligible_subject(api)
    await leave(api, subject, "screen_failed")
    assert codes(await enrol(api, subject)) == ["not_in_screening"]


async def test_another_level_than_expected_is_refused(api):
    """Naming the level guards against a ladder that moved."""
    subject = await eligible_subject(api)
    assert codes(await enrol(api, subject, dose_level="B")) == ["other_level_open"]
    assert (await enrol(api, subject, dose_level="A")).status_code == 201


async def test_a_full_cohort_says_so(api):
    """The fourth subject hears that three places are taken and what is outstanding."""
    for _ in range(3):
        await enrolled_subject(api)
    found = codes(await enrol(api, await eligible_subject(api)))
    assert found == ["results_outstanding", "cohort_full", "not_dosed"]


async def test_a_fourth_waits_for_the_first_three_after_a_dlt(api, clock):
    """One DLT and two in the window: nobody is enrolled until the first three are complete."""
    subjects = [await enrolled_subject(api) for _ in range(3)]
    move_to(clock, FIRST_INFUSION)
    for subject in subjects:
        await infuse(api, subject, FIRST_INFUSION)
    await dose_limiting_event(api, subjects[0], FIRST_INFUSION)
    found = codes(await enrol(api, await eligible_subject(api)))
    assert found == ["results_outstanding", "cohort_full", "in_window"]
    move_to(clock, FIRST_INFUSION + timedelta(days=29))
    later = await eligible_subject(api, FIRST_INFUSION + timedelta(days=31))
    assert codes(await enrol(api, later)) == ["second_cohort_needed", "cohort_full"]
    await decide(api, "expand_to_six")
    assert (await enrol(api, later)).json()["slot"] == 4


async def test_a_toxic_level_takes_nobody(api, clock):
    """Two DLTs close the door whatever is outstanding."""
    subjects = [await enrolled_subject(api) for _ in range(2)]
    move_to(clock, FIRST_INFUSION)
    for subject in subjects:
        await infuse(api, subject, FIRST_INFUSION)
        await dose_limiting_event(api, subject, FIRST_INFUSION)
    assert codes(await enrol(api, await eligible_subject(api)))[0] == "no_tolerated_level"


async def test_an_open_adjudication_that_may_make_the_level_toxic_stops_enrolment(api, clock):
    """One DLT and one candidate: nobody is enrolled until the candidate is judged."""
    subjects = [await enrolled_subject(api) for _ in range(2)]
    move_to(clock, FIRST_INFUSION)
    for subject in subjects:
        await infuse(api, subject, FIRST_INFUSION)
    await dose_limiting_event(api, subjects[0], FIRST_INFUSION)
    await adverse_event(api, subjects[1], FIRST_INFUSION)
    found = codes(await enrol(api, await eligible_subject(api)))
    assert found == ["possibly_toxic", "in_window", "open_items"]


async def test_a_hold_stops_enrolment(api):
    """A hold is in force at once, and a resume ends it."""
    subject = await eligible_subject(api)
    await decide(api, "hold")
    assert codes(await enrol(api, subject)) == ["hold_in_force"]
    await decide(api, "resume")
    assert (await enrol(api, subject)).status_code == 201


async def test_a_related_death_stops_enrolment_until_it_is_reviewed(api, clock):
    """The refusal names the event that holds the trial."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    await adverse_event(
        api, subject, FIRST_INFUSION, grade=5, outcome="fatal", seriousness=["death"]
    )
    answer = await enrol(api, await eligible_subject(api))
    assert codes(answer) == ["related_death"]
    assert "grade 5" in answer.json()["errors"][0]["message"]


async def test_a_stopped_trial_takes_nobody(api):
    """No cohort is open any more."""
    subject = await eligible_subject(api)
    await decide(api, "stop_trial")
    assert codes(await enrol(api, subject)) == ["no_open_cohort", "trial_stopped"]


async def test_a_blocking_stagger_refuses(api):
    """With the policy `block` the second subject waits for the first one's dose."""
    stagger = {"policy": "block", "after_first_days": 14, "after_others_days": 0}
    await amend(api, "escalation", stagger=stagger)
    await enrolled_subject(api)
    assert codes(await enrol(api, await eligible_subject(api))) == ["stagger"]


async def test_a_blocking_stagger_ends_on_its_day(api, clock):
    """The second subject is refused on day 13 after the first infusion and taken on day 14."""
    stagger = {"policy": "block", "after_first_days": 14, "after_others_days": 0}
    await amend(api, "escalation", stagger=stagger)
    first = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, first, FIRST_INFUSION)
    move_to(clock, FIRST_INFUSION + timedelta(days=13))
    second = await eligible_subject(api, FIRST_INFUSION + timedelta(days=15))
    assert codes(await enrol(api, second)) == ["stagger"]
    move_to(clock, FIRST_INFUSION + timedelta(days=14))
    assert (await enrol(api, second)).status_code == 201


async def test_a_replacement_takes_the_slot_of_one_who_cannot_be_evaluated(api):
    """Who leaves before dosing is replaced in the same slot; a chain of replacements goes on."""
    first, second = await enrolled_subject(api), await enrolled_subject(api)
    await leave(api, first, "withdrew_consent")
    third = await enrolled_subject(api)
    assert (third["enrolment"]["slot"], third["enrolment"]["replaces_id"]) == (
        1,
        first["enrolment"]["id"],
    )
    await leave(api, third, "withdrew_consent")
    await leave(api, second, "withdrew_consent")
    fourth, fifth, sixth = [(await enrolled_subject(api))["enrolment"] for _ in range(3)]
    assert (fourth["slot"], fourth["replaces_id"]) == (1, third["enrolment"]["id"])
    assert (fifth["slot"], fifth["replaces_id"]) == (2, second["enrolment"]["id"])
    assert (sixth["slot"], sixth["replaces_id"]) == (3, None)
    assert "cohort_full" in codes(await enrol(api, await eligible_subject(api)))


async def test_the_cap_of_the_escalation_holds(api, clock):
    """With room for six in the escalation the seventh is refused though the level has places."""
    await amend(api, "escalation", max_in_escalation=6)
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    await treat(api, clock, date(2026, 8, 1), 3, dlts=1)
    await decide(api, "expand_to_six")
    move_to(clock, date(2026, 10, 1))
    late = await eligible_subject(api, date(2026, 10, 3))
    assert codes(await enrol(api, late)) == ["cap_reached"]


async def test_beyond_the_planned_total_a_reason_is_asked_for(api):
    """Replacements may exceed the total, with a reason."""
    await amend(api, "escalation", max_in_total=12)
    for _ in range(12):
        await leave(api, await enrolled_subject(api), "withdrew_consent")
    late = await eligible_subject(api)
    refused = await enrol(api, late)
    assert (refused.status_code, refused.json()["code"]) == (422, "reason_required")
    assert refused.json()["errors"][0]["pointer"] == "/body/reason"
    taken = await enrol(api, late, reason="Twelve left before their first infusion.")
    assert taken.status_code == 201, taken.text
    assert "beyond_planned_total" in [each["code"] for each in taken.json()["warnings"]]


async def test_the_expansion_takes_six_more(api, clock):
    """On the level of choice the expansion has six places of its own, numbered from one."""
    for level, day in (("A", date(2026, 6, 3)), ("B", date(2026, 8, 1)), ("C", date(2026, 10, 1))):
        await treat(api, clock, day, 3)
        if level != "C":
            await decide(api, "escalate")
    assert (await read_ladder(api))["mtd"] == "not_reached"
    await decide(api, "open_expansion", dose_level="B")
    move_to(clock, date(2027, 1, 8))
    places = [(await enrolled_subject(api, date(2027, 1, 10)))["enrolment"] for _ in range(6)]
    assert {(each["dose_level"], each["phase"]) for each in places} == {("B", "expansion")}
    assert [each["slot"] for each in places] == [1, 2, 3, 4, 5, 6]
    late = await eligible_subject(api, date(2027, 1, 10))
    assert codes(await enrol(api, late)) == ["results_outstanding", "cohort_full", "not_dosed"]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 201),
        (Role.SUB_INVESTIGATOR, 201),
        (Role.STUDY_COORDINATOR, 201),
        (Role.SAFETY_COMMITTEE, 403),
        (Role.MONITOR, 403),
        (Role.CELL_LABORATORY, 403),
    ],
)
async def test_who_may_enrol(api, role, status):
    """Investigators and the coordinator enrol; nobody else does."""
    subject = await eligible_subject(api)
    answer = await api(role).post(f"/subjects/{subject['id']}/enrolment", json={})
    assert answer.status_code == status


async def test_a_stranger_is_not_found(api):
    """A subject that is not of this study cannot be told from one that is nowhere."""
    assert (await enrol(api, {"id": str(uuid4())})).status_code == 404


async def test_a_repeated_request_takes_one_place(api, session):
    """A repeated request with its key takes one place only."""
    subject = await eligible_subject(api)
    client, path = api(Role.STUDY_COORDINATOR), f"/subjects/{subject['id']}/enrolment"
    key = {"Idempotency-Key": "once"}
    first = await client.post(path, json={}, headers=key)
    second = await client.post(path, json={}, headers=key)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert len((await session.scalars(select(Enrolment))).all()) == 1
