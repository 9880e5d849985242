"""A subject's response over HTTP: worked by hand, with evidence, at any moment."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.responses import (
    FAIR,
    GOOD,
    LOW,
    category,
    count,
    day,
    endpoint,
    lineage_of,
    medicate,
    response_of,
    transfuse,
    treated_subject,
)
from tests.factories.rows import move_to
from tests.factories.subjects import eligible_subject


async def test_a_complete_response_names_what_it_rests_on(api, clock):
    """CR of days 21 and 28: three lineages at their limits, 21 days to it, nothing ended it."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(29))
    labs = await count(api, subject, {7: LOW, 21: GOOD, 28: GOOD})
    response = await response_of(api, subject)
    assert (response["number"], response["dose_level"]) == ("S-001", "A")
    assert response["treatment"]["first_day"] == response["treatment"]["last_day"] == "2026-06-03"
    found = endpoint(response, 4)
    assert found["reading"]["primary"] is True
    assert found["test_day"] == found["window"]["target_day"] == "2026-07-01"
    assert (found["standing"]["category"], found["standing"]["since_day"]) == ("CR", "2026-06-24")
    at_both = {labs[f"{analyte}{number}"] for analyte in GOOD for number in (21, 28)}
    assert set(found["standing"]["evidence"]) >= at_both
    assert labs["ANC7"] not in found["standing"]["evidence"]
    assert (response["time_to_response"]["days"], response["time_to_response"]["event"]) == (
        21,
        True,
    )
    duration = lineage_of(response, "neutrophil")["duration_of_complete_response"]
    assert (duration["days"], duration["event"], duration["reason"]) == (
        7,
        False,
        "last_assessment",
    )


async def test_the_answer_names_protocol_day_and_evidence(api, clock):
    """The protocol's digest is that of the definition; the evidence's digest moves with a count."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(28))
    await count(api, subject, {21: FAIR})
    before = await response_of(api, subject)
    active = (await api().get("/protocol")).json()
    assert (before["protocol_version"], before["protocol_digest"]) == (
        active["number"],
        active["digest"],
    )
    assert (before["study_day"], before["as_of"]) == ("2026-07-01", "2026-07-01T04:00:00+00:00")
    await api(Role.STUDY_COORDINATOR).post(
        "/labs",
        json={
            "subject_id": subject["id"], "analyte": "CRP", "value": 3, "unit": "mg/L",
            "collected_at": "2026-06-30T01:00:00Z",
        },
    )  # fmt: skip
    assert (await response_of(api, subject))["evidence_digest"] == before["evidence_digest"]
    await count(api, subject, {28: FAIR})
    assert (await response_of(api, subject))["evidence_digest"] != before["evidence_digest"]


async def test_a_partial_response_waits_for_its_second_count(api, clock):
    """Neutrophils 0.5 above the start: pending on day 28, PR once the next count confirms it."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(28))
    await count(api, subject, {28: FAIR})
    standing = endpoint(await response_of(api, subject), 4)["standing"]
    assert (standing["category"], standing["reason"]) == ("pending", "awaiting_confirmation")
    move_to(clock, day(35))
    await count(api, subject, {35: FAIR})
    response = await response_of(api, subject)
    assert (category(response, 4), category(response, 8)) == ("PR", "not_due")
    neutrophils = lineage_of(response, "neutrophil")
    assert (neutrophils["baseline"]["value"], neutrophils["baseline"]["day"]) == (
        0.8,
        "2026-05-30",
    )
    (episode,) = neutrophils["partial"]["episodes"]
    assert (episode["start_day"], episode["confirmed_day"]) == ("2026-07-01", "2026-07-08")
    assert lineage_of(response, "platelet")["response"]["episodes"] == []


async def test_no_response_and_no_count_are_told_apart(api, clock):
    """Unchanged counts at week 4 are NR; no count in the window of week 8 is NE."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(60))
    await count(api, subject, {21: LOW, 28: LOW})
    response = await response_of(api, subject)
    assert (category(response, 4), category(response, 8)) == ("NR", "NE")
    assert endpoint(response, 8)["standing"]["reason"] == "no_test"
    time = response["time_to_response"]
    assert (time["days"], time["event"], time["reason"]) == (28, False, "last_assessment")


@pytest.mark.parametrize(("before", "expected"), [(6, "NR"), (7, "PR")])
async def test_a_transfusion_needs_seven_days_before_the_first_count(api, clock, before, expected):
    """Red cells 6 days before the first of the two counts block the response, 7 days do not."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(36))
    await count(api, subject, {21: FAIR, 28: FAIR, 35: LOW})
    await transfuse(api, subject, day(21 - before))
    assert category(await response_of(api, subject), 4) == expected


async def test_a_correction_takes_a_response_away_and_the_past_keeps_it(api, clock, session):
    """1.3 corrected to 1.2 is no increase of 0.5; as of before the correction it was a PR."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    subject = await treated_subject(api, clock, zero=zero)
    move_to(clock, day(42, zero))
    labs = await count(api, subject, {21: FAIR, 28: FAIR}, zero)
    assert category(await response_of(api, subject), 4) == "PR"
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    answer = await api(Role.STUDY_COORDINATOR).post(
        f"/labs/{labs['ANC28']}/corrections",
        json={"value": 1.2, "unit": "10*9/L", "reason": "The analyser was recalibrated."},
    )
    assert answer.status_code == 201, answer.text
    corrected = await response_of(api, subject)
    assert category(corrected, 4) == "NR"
    assert labs["ANC28"] not in endpoint(corrected, 4)["standing"]["evidence"]
    earlier = await response_of(api, subject, as_of=between.isoformat())
    assert category(earlier, 4) == "PR"
    assert labs["ANC28"] in endpoint(earlier, 4)["standing"]["evidence"]
    assert earlier["as_of"] == between.isoformat()
    assert earlier["evidence_digest"] != corrected["evidence_digest"]


async def test_a_late_response_is_shown_but_not_timed(api, clock):
    """A first response on day 63, after last + 56: censored at 56 and shown as late (C9)."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(70))
    await count(api, subject, {28: LOW, 56: LOW, 63: FAIR, 70: FAIR})
    response = await response_of(api, subject)
    neutrophils = lineage_of(response, "neutrophil")
    assert neutrophils["late_response"]["start_day"] == day(63).isoformat()
    time = neutrophils["time_to_response"]
    assert (time["days"], time["event"], time["reason"]) == (56, False, "late_response")
    assert (category(response, 8), response["best"]["category"]) == ("NR", "PR")


async def test_a_bound_that_cannot_tell_is_not_met(api, clock):
    """Neutrophils > 1.2 may or may not be 1.3: twice so is no response, > 1.3 twice is one."""
    unclear, clear = [await treated_subject(api, clock) for _ in range(2)]
    move_to(clock, day(29))
    for subject, bound in ((unclear, 1.2), (clear, 1.3)):
        await count(api, subject, {21: {"ANC": bound}, 28: {"ANC": bound}}, comparator=">")
    response = await response_of(api, unclear)
    assert category(response, 4) == "NR"
    assert [test["pr"] for test in lineage_of(response, "neutrophil")["tests"]] == [None, None]
    assert category(await response_of(api, clear), 4) == "PR"


async def test_the_four_readings_of_a_week_can_differ(api, clock):
    """Two infusions: CR on days 21 and 28, lost on day 35, which is week 4 from the last one."""
    subject = await treated_subject(api, clock, 0, 7, level="B")
    move_to(clock, day(36))
    await count(api, subject, {21: GOOD, 28: GOOD, 35: LOW})
    response = await response_of(api, subject)
    found = {
        (mode, anchor): category(response, 4, mode, anchor)
        for mode in ("at", "within")
        for anchor in ("first", "last")
    }
    assert found == {
        ("at", "first"): "CR",
        ("at", "last"): "NR",
        ("within", "first"): "CR",
        ("within", "last"): "CR",
    }
    duration = lineage_of(response, "hemoglobin")["duration_of_response"]
    assert (duration["days"], duration["event"], duration["reason"]) == (
        14,
        True,
        "below_criteria",
    )


async def test_a_confounder_is_flagged_and_distrusted_beside(api, clock):
    """G-CSF on day 27 does not change the category; without confounded counts there is none."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(29))
    await count(api, subject, {21: FAIR, 28: FAIR})
    given = await medicate(api, subject, "g_csf", day(27))
    response = await response_of(api, subject)
    standing = endpoint(response, 4)["standing"]
    assert standing["category"] == "PR"
    assert standing["flags"] == [{"code": "g_csf", "evidence": [given]}]
    distrusted = {"endpoints": response["without_confounded"]}
    assert category(distrusted, 4) == "NR"


async def test_both_debatable_readings_are_reported(api, clock):
    """Red cells between two counts of neutrophils block them only while any product does."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(29))
    await count(api, subject, {21: FAIR, 28: FAIR})
    await transfuse(api, subject, day(25))
    response = await response_of(api, subject)
    assert (response["lineage_rule"], response["transfusion_scope"]) == ("below_cr", "any")
    assert {
        (x["lineage_rule"], x["transfusion_scope"]): x["weeks"][0]["category"]
        for x in response["sensitivity"]
    } == {("below_cr", "lineage"): "PR", ("all", "any"): "NR", ("all", "lineage"): "PR"}


async def test_the_answer_is_as_documented(api, app, clock):
    """Values are numbers and every part has its documented shape, treated or not."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(60))
    await count(api, subject, {21: FAIR, 28: GOOD, 35: GOOD, 56: LOW})
    await medicate(api, subject, "g_csf", day(27))
    for each in (subject, await eligible_subject(api)):
        answer = await api().get(f"/subjects/{each['id']}/response")
        assert misfits(app, "read_response", answer) == []


async def test_before_the_first_infusion_nothing_is_due(api, clock):
    """Neither a screened nor an enrolled subject gets an error; every category is not due."""
    screened = await eligible_subject(api)
    enrolled = await treated_subject(api, clock)
    move_to(clock, day(-1))
    for subject, level in ((screened, None), (enrolled, "A")):
        response = await response_of(api, subject)
        assert response["dose_level"] == level
        assert response["treatment"] is None
        assert response["lineages"] == []
        assert len(response["endpoints"]) == len(response["without_confounded"]) == 8
        standings = [x["standing"] for x in response["endpoints"]]
        assert {(x["category"], x["reason"]) for x in standings} == {("not_due", "not_treated")}


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.SAFETY_COMMITTEE, 200), (Role.SPONSOR, 403), (Role.LABORATORY_SYSTEM, 403)],
)
async def test_only_those_who_see_subjects_see_a_response(api, role, status):
    """The sponsor has aggregates only; the committee may read each response."""
    subject = await eligible_subject(api)
    assert (await api(role).get(f"/subjects/{subject['id']}/response")).status_code == status


async def test_an_unknown_subject_has_no_response(api):
    """An id that is not a subject's here is answered with 404."""
    answer = await api().get("/subjects/01900000-0000-7000-8000-000000000000/response")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
