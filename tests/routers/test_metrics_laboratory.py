"""Laboratory aggregates over HTTP, recounted from the single results of the subjects."""

from collections import Counter
from datetime import date
from statistics import median

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.documented import misfits
from tests.factories.people import set_up_site, working_at
from tests.factories.responses import FAIR, GOOD, LOW, UNITS, count, day, treated_subject
from tests.factories.rows import at, move_to

WITHDRAWN = {"status": "entered_in_error", "reason": "Another patient's blood."}
GRADES = ("0", "1", "2", "3", "4", "not_gradable", "missing")


async def laboratory(api, role=Role.SPONSOR, **query):
    """Read the laboratory metrics."""
    answer = await api(role).get("/metrics/laboratory", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def group(metrics, analyte, level=None, family="lineages"):
    """Pick one analyte of one level, or of all."""
    found = next(each for each in metrics[family] if each["analyte"] == analyte)
    return next(each for each in found["groups"] if each["level"] == level)


def visit(group, name, anchor="last"):
    """Pick the values of one visit, None where nobody has one."""
    found = (x for x in group["visits"] if (x["visit"], x["anchor"]) == (name, anchor))
    return next(found, None)


def table(metrics, term, level=None):
    """Read one shift table as counts by baseline and worst grade."""
    found = next(each for each in metrics["shifts"] if each["term"] == term)
    own = next(each for each in found["groups"] if each["level"] == level)
    return {(x["baseline"], x["worst"]): x["subjects"] for x in own["cells"]}


async def measure(api, subject, analyte, values, unit):
    """Record results of another analyte than those of a blood count, by day."""
    body = [
        {
            "subject_id": subject["id"],
            "analyte": analyte,
            "value": value,
            "unit": unit,
            "collected_at": at(day(number), 8).isoformat(),
        }
        for number, value in values.items()
    ]
    answer = await api(Role.STUDY_COORDINATOR).post("/labs", json={"results": body})
    assert answer.json()["created"] == len(body), answer.text


async def correct(api, lab_id, body):
    """Correct or withdraw a result."""
    answer = await api(Role.STUDY_COORDINATOR).post(f"/labs/{lab_id}/corrections", json=body)
    assert answer.status_code == 201, answer.text


async def trial(api, clock):
    """Treat three on A and one on B; who is screened or enrolled only is not counted."""
    subjects = [await treated_subject(api, clock) for _ in range(3)]
    subjects.append(await treated_subject(api, clock, 0, 7, level="B"))
    move_to(clock, day(60))
    panels = (GOOD, FAIR, LOW, FAIR)
    for subject, panel in zip(subjects, panels, strict=True):
        await count(api, subject, {3: LOW, 21: panel, 28: panel, 30: GOOD, 35: panel})
    await count(api, subjects[0], {29: LOW | {"PLT": 3}})
    await measure(api, subjects[0], "FERR", {-1: 1200.5, 28: 800}, "ug/L")
    await measure(api, subjects[1], "FERR", {7: 2400}, "ug/L")
    return subjects


async def results(api):
    """Read all results that count, by subject."""
    answer = await api().get("/labs", params={"limit": 200})
    assert answer.json()["next"] is None
    found = {}
    for item in answer.json()["items"]:
        found.setdefault(item["subject_id"], []).append(item)
    return found


def values_of(items, analyte):
    """Give the lowest value of each day of an analyte, by days from the first infusion."""
    found = {}
    for item in items:
        if item["analyte"] == analyte and item["status"] in ("final", "corrected", "amended"):
            number = (date.fromisoformat(item["day"]) - day(0)).days
            found[number] = min(item["value"], found.get(number, item["value"]))
    return found


def near(values, target, slack):
    """Give the value of the day nearest to a target, the earlier of two."""
    days = [number for number in values if abs(number - target) <= slack]
    return values[min(days, key=lambda x: (abs(x - target), x))] if days else None


@pytest.mark.parametrize("analyte", [*UNITS, "FERR"])
async def test_every_value_follows_from_the_single_results(api, clock, analyte):
    """Weeks from either infusion are recounted from the list of results, level by level."""
    subjects = await trial(api, clock)
    listed = await results(api)
    metrics = await laboratory(api)
    assert metrics["treated"] == 4
    for level in (None, "A", "B", "C"):
        members = [x for x in subjects if level in (None, x["enrolment"]["dose_level"])]
        own = group(metrics, analyte, level, "markers" if analyte == "FERR" else "lineages")
        courses = [
            (values_of(listed[x["id"]], analyte), 7 * (x["enrolment"]["dose_level"] == "B"))
            for x in members
        ]
        assert own["subjects"] == sum(bool(values) for values, _ in courses)
        for anchor in ("first", "last"):
            for week in range(1, 9):
                found = [
                    near(values, 7 * week + (last if anchor == "last" else 0), 3)
                    for values, last in courses
                ]
                found = [value for value in found if value is not None]
                shown = visit(own, f"W{week}", anchor)
                if not found:
                    assert shown is None
                    continue
                assert shown["target_day"] == 7 * week
                value = shown["value"]
                assert (value["n"], value["bounds"]) == (len(found), 0)
                assert value["median"] == pytest.approx(median(found))
                assert (value["minimum"], value["maximum"]) == (min(found), max(found))


async def test_worked_by_hand(api, clock):
    """Week 4 of A: 1.5, 1.3 and 0.8; each began with 0.8. Ferritin fell by 400.5."""
    await trial(api, clock)
    metrics = await laboratory(api)
    own = group(metrics, "ANC", "A")
    assert own["baseline"] == {"n": 3, "median": 0.8, "minimum": 0.8, "maximum": 0.8, "bounds": 0}
    week = visit(own, "W4")
    assert week["value"]["median"] == 1.3
    assert (week["change"]["n"], week["change"]["median"]) == (3, 0.5)
    # 28 days after the first infusion of level B are 21 after its last one.
    assert visit(group(metrics, "ANC", "B"), "W3")["value"]["median"] == 1.3
    ferritin = group(metrics, "FERR", family="markers")
    assert visit(ferritin, "W4")["change"]["median"] == -400.5
    assert visit(ferritin, "W1")["change"]["n"] == 0
    assert (metrics["day_rule"], metrics["median_rule"], metrics["ctcae_version"]) == (
        "response.same_day_rule=lowest", "simple-median", "5.0",
    )  # fmt: skip


async def test_shift_tables_follow_from_the_grades_of_single_results(api, clock):
    """Baseline and worst grade are those that the list of results shows beside each."""
    subjects = await trial(api, clock)
    listed = await results(api)
    metrics = await laboratory(api)
    terms = {grade["term"] for items in listed.values() for x in items for grade in x["grades"]}
    assert {each["term"] for each in metrics["shifts"]} == terms
    start = at(day(0)).isoformat()
    for term in terms:
        expected = Counter()
        for subject in subjects:
            found = [
                (item["collected_at"], grade)
                for item in listed[subject["id"]]
                for grade in item["grades"]
                if grade["term"] == term
            ]
            before = [x for x in found if x[0] < start[:19]]
            after = [grade for moment, grade in found if moment >= start[:19]]
            expected[
                worst([max(before, key=lambda x: x[0])[1]] if before else []), worst(after)
            ] += 1
        assert table(metrics, term) == expected
    # Platelets of 45 were grade 3 before, 3 is grade 4 on the one day it was measured.
    platelets = table(metrics, "Platelet count decreased", "A")
    assert platelets == {("3", "4"): 1, ("3", "3"): 2}


def worst(grades):
    """Say the worst grade of some, as a table does."""
    if not grades:
        return "missing"
    certain = max(x["grade_min"] for x in grades)
    doubtful = any(not x["gradable"] and x["grade_max"] > certain for x in grades)
    return "not_gradable" if doubtful else str(certain)


async def test_a_corrected_or_withdrawn_value_counts_no_more(api, clock):
    """The lowest platelets are seen while they stand; corrected and withdrawn ones are not."""
    subjects = [await treated_subject(api, clock) for _ in range(2)]
    move_to(clock, day(30))
    ids = await count(api, subjects[0], {28: LOW | {"PLT": 3}})
    await count(api, subjects[1], {28: GOOD})

    async def lowest():
        metrics = await laboratory(api)
        value = visit(group(metrics, "PLT"), "W4")["value"]
        worst = {key[1]: n for key, n in table(metrics, "Platelet count decreased").items()}
        return value["n"], value["minimum"], worst.get("4", 0)

    assert await lowest() == (2, 3, 1)
    await correct(api, ids["PLT28"], {"value": 30, "unit": "10*9/L", "reason": "Mistyped."})
    assert await lowest() == (2, 30, 0)
    current = (await api().get(f"/labs/{ids['PLT28']}/versions")).json()["items"][-1]
    await correct(api, current["id"], WITHDRAWN)
    assert await lowest() == (1, 100, 0)


async def test_every_site_is_counted(api, clock):
    """Somebody of another hospital sees the same aggregates, and none of the subjects."""
    await trial(api, clock)
    await set_up_site(api, "02")
    other = await working_at(api, "02", Role.STUDY_COORDINATOR, "cora")
    assert (await other.get("/subjects")).json()["items"] == []
    answer = await other.get("/metrics/laboratory")
    assert answer.status_code == 200, answer.text
    assert answer.json() == await laboratory(api)
    assert answer.json()["treated"] == 4


async def test_the_past_is_counted_as_it_was(api, clock, session):
    """As of a moment before the count of week 4 there is no such visit."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    subject = await treated_subject(api, clock, zero=zero)
    move_to(clock, day(42, zero))
    await count(api, subject, {7: LOW}, zero)
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await count(api, subject, {28: GOOD}, zero)
    present = group(await laboratory(api), "PLT")
    before = await laboratory(api, as_of=between.isoformat())
    assert visit(present, "W4")["value"]["median"] == 100
    assert visit(group(before, "PLT"), "W4") is None
    assert visit(group(before, "PLT"), "W1")["value"]["median"] == 45
    assert before["as_of"] is not None


async def test_the_answer_is_as_documented(api, app, clock):
    """Keys, numbers and words are those of the document; before any data too."""
    empty = await api().get("/metrics/laboratory")
    assert misfits(app, "read_laboratory_metrics", empty) == []
    assert (empty.json()["treated"], empty.json()["shifts"]) == (0, [])
    await trial(api, clock)
    answer = await api().get("/metrics/laboratory")
    assert misfits(app, "read_laboratory_metrics", answer) == []
    cells = [x for y in answer.json()["shifts"] for z in y["groups"] for x in z["cells"]]
    assert cells
    assert {x[side] for x in cells for side in ("baseline", "worst")} <= set(GRADES)
