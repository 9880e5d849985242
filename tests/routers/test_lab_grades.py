"""Grades of stored results: exact at the boundaries, seen against the subject's own baseline."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.dosing import GIVEN_AT, dose
from tests.factories.labs import measured
from tests.factories.subjects import register

EARLIER = "2026-05-02T01:00:00Z"
BEFORE = (GIVEN_AT - timedelta(days=1)).isoformat()
AT_START = GIVEN_AT.isoformat()


async def send(api, subject_id, analyte, value, unit, **more):
    """Record a numeric result and return it as it is read."""
    body = measured(subject_id, analyte, value, unit, **more)
    answer = await api().post("/labs", json=body)
    assert answer.status_code == 201, answer.text
    read = await api().get(f"/labs/{answer.json()['id']}")
    return read.json()


def grades(result):
    """Return the grades of a result by term."""
    return {each["term"]: each["grade"] for each in result["grades"]}


@pytest.mark.parametrize(
    ("value", "grade"), [(10.1, 0), (10.2, 1), (30.3, 1), (30.4, 2), (50.5, 2), (50.6, 3)]
)
async def test_multiples_of_the_limit_are_exact(api, value, grade):
    """30.3 is exactly three times 10.1, so it is still grade 1 (in binary it would be grade 2)."""
    result = await send(api, await register(api), "ALT", value, "U/L", uln=10.1)
    assert grades(result) == {"Alanine aminotransferase increased": grade}


@pytest.mark.parametrize(
    ("value", "unit", "grade"),
    [
        (1.5, "10*9/L", 1),
        (1.499, "10*9/L", 2),
        (1, "10*9/L", 2),
        (0.999, "10*9/L", 3),
        (500, "/uL", 3),
        (499, "/uL", 4),
    ],
)
async def test_the_outer_bound_belongs_to_the_lower_grade(api, value, unit, grade):
    """Neutrophils of 1.0 are grade 2 in either unit."""
    factor = 1 if unit == "10*9/L" else 1000
    result = await send(api, await register(api), "ANC", value, unit, lln=1.8 * factor)
    assert grades(result) == {"Neutrophil count decreased": grade}


async def test_a_grade_says_what_it_rests_on(api):
    """Rule, dictionary version, limit and threshold, in the numbers that were reported."""
    result = await send(api, await register(api), "ALT", 30.4, "U/L", uln=10.1)
    (grade,) = result["grades"]
    assert grade["rule"] == "ctcae5:Alanine aminotransferase increased:2:ALT:xULN:baseline_normal"
    assert grade["rests_on"] == ["uln 10.1", "threshold 30.3"]
    assert (grade["dictionary_version"], grade["soc"]) == ("5.0", "Investigations")


async def test_without_a_limit_a_result_may_not_be_gradable(api):
    """Hemoglobin of 102 needs its lower limit, one of 79 does not."""
    subject_id = await register(api)
    result = await send(api, subject_id, "HGB", 102, "g/L", accession="A-1")
    anemia = {each["term"]: each for each in result["grades"]}["Anemia"]
    assert (anemia["grade"], anemia["gradable"], anemia["missing"]) == (None, False, ["lln"])
    assert (anemia["grade_min"], anemia["grade_max"]) == (0, 1)
    result = await send(api, subject_id, "HGB", 79, "g/L", accession="A-2")
    assert grades(result)["Anemia"] == 3


async def test_a_bound_that_could_be_either_is_not_graded(api):
    """Neutrophils below 1.2 may be of any grade from 2 on."""
    result = await send(api, await register(api), "ANC", 1.2, "10*9/L", comparator="<", lln=1.8)
    (grade,) = result["grades"]
    assert (grade["grade"], grade["grade_min"], grade["grade_max"]) == (None, 2, 4)
    assert grade["missing"] == ["exact_value"]


async def test_the_baseline_is_the_last_value_before_the_first_infusion(api, session):
    """An abnormal baseline turns multiples of the limit into multiples of itself."""
    subject_id = await register(api)
    await send(api, subject_id, "ALT", 60, "U/L", uln=40, collected_at="2026-05-01T01:00:00Z")
    baseline = await send(api, subject_id, "ALT", 80, "U/L", uln=40, collected_at=BEFORE)
    at_start = await send(api, subject_id, "ALT", 300, "U/L", uln=40, collected_at=AT_START)
    later = await send(api, subject_id, "ALT", 119, "U/L", uln=40)
    assert grades(later) == {"Alanine aminotransferase increased": 1}
    assert later["baseline"] is None
    await dose(api, subject_id)
    read = {}
    for item in (await api().get("/labs", params={"subject": subject_id})).json()["items"]:
        read[item["id"]] = item
    assert grades(read[later["id"]]) == {"Alanine aminotransferase increased": 0}
    assert grades(read[baseline["id"]]) == {"Alanine aminotransferase increased": 0}
    assert grades(read[at_start["id"]]) == {"Alanine aminotransferase increased": 2}
    assert read[later["id"]]["baseline"] == {
        "id": baseline["id"], "value": 80, "comparator": None, "uln": 40, "day": "2026-05-03",
    }  # fmt: skip
    assert read[later["id"]]["grades"][0]["rests_on"] == [
        "uln 40", "baseline 80", "baseline uln 40",
    ]  # fmt: skip


async def test_a_withdrawn_or_provisional_value_is_no_baseline(api, session):
    """The last value that counts is taken, and a correction of it moves the baseline."""
    subject_id = await register(api)
    kept = await send(
        api, subject_id, "ALT", 80, "U/L", uln=40, collected_at="2026-05-02T01:00:00Z"
    )
    wrong = await send(api, subject_id, "ALT", 90, "U/L", uln=40, collected_at=BEFORE)
    early = {"status": "preliminary", "accession": "A-9"}
    await send(api, subject_id, "ALT", 95, "U/L", uln=40, collected_at=BEFORE, **early)
    path = f"/labs/{wrong['id']}/corrections"
    await api().post(path, json={"status": "entered_in_error", "reason": "Another person's."})
    await dose(api, subject_id)
    later = await send(api, subject_id, "ALT", 119, "U/L", uln=40)
    assert later["baseline"]["id"] == kept["id"]
    body = {"value": 30, "unit": "U/L", "reason": "Transcribed wrongly."}
    await api().post(f"/labs/{kept['id']}/corrections", json=body)
    (grade,) = (await api().get(f"/labs/{later['id']}")).json()["grades"]
    assert (grade["grade"], grade["rests_on"][1]) == (1, "baseline 30")


async def test_creatinine_is_graded_by_baseline_inside_the_reference_range(api, session):
    """76 over a baseline of 50 is grade 2 although the upper limit is 110."""
    subject_id = await register(api)
    await send(api, subject_id, "CREA", 50, "umol/L", uln=110, collected_at=BEFORE)
    await dose(api, subject_id)
    result = await send(api, subject_id, "CREA", 76, "umol/L", uln=110)
    (grade,) = result["grades"]
    assert (grade["grade"], grade["within_reference_range"]) == (2, True)


async def test_the_inr_counts_by_baseline_only_under_an_anticoagulant(api, session):
    """Without any record of one the grade may be higher; before it began it is not."""
    subject_id = await register(api)
    await send(api, subject_id, "INR", 1, "1", collected_at=BEFORE)
    await dose(api, subject_id)
    result = await send(api, subject_id, "INR", 1.1, "1")
    before = await send(api, subject_id, "INR", 1.1, "1", collected_at="2026-05-18T01:00:00Z")

    async def grade_of(item):
        (grade,) = (await api().get(f"/labs/{item['id']}")).json()["grades"]
        return grade["grade"], grade["grade_max"], grade["needs_clinical_input"]

    assert await grade_of(result) == (0, 1, True)
    medication = {
        "subject_id": subject_id,
        "name": "warfarin",
        "medication_class": "anticoagulant",
        "started_at": "2026-05-19T01:00:00Z",
        "ongoing": True,
    }
    answer = await api(Role.STUDY_COORDINATOR).post("/concomitant-medications", json=medication)
    assert answer.status_code == 201, answer.text
    assert await grade_of(result) == (1, 1, False)
    assert await grade_of(before) == (0, 0, False)


async def test_an_analyte_without_a_term_has_no_grade(api):
    """Ferritin is stored and has no CTCAE v5.0 term."""
    result = await send(api, await register(api), "FERR", 5000, "ng/mL")
    assert (result["value"], result["grades"], result["baseline"]) == (5000, [], None)


async def test_sodium_below_its_limit_waits_for_symptoms(api):
    """125 is grade 2 by the number and may be 3 with symptoms."""
    result = await send(api, await register(api), "NA", 125, "mmol/L", lln=136, uln=145)
    low = {each["term"]: each for each in result["grades"]}["Hyponatremia"]
    assert (low["grade"], low["grade_max"], low["needs_clinical_input"]) == (2, 3, True)
    assert grades(result)["Hypernatremia"] == 0


async def test_a_grade_is_read_as_it_was(api, session, clock):
    """Before the infusion was recorded there was no baseline; later there is."""
    subject_id = await register(api)
    baseline = await send(api, subject_id, "ALT", 80, "U/L", uln=40, collected_at=BEFORE)
    later = await send(api, subject_id, "ALT", 119, "U/L", uln=40)
    moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one().isoformat()
    await dose(api, subject_id)
    clock.advance(days=3650)
    path = f"/labs/{later['id']}"
    then = (await api().get(path, params={"as_of": moment})).json()
    now = (await api().get(path)).json()
    assert (grades(then), then["baseline"]) == ({"Alanine aminotransferase increased": 1}, None)
    assert grades(now) == {"Alanine aminotransferase increased": 0}
    assert now["baseline"]["id"] == baseline["id"]
