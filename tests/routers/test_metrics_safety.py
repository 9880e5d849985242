"""Adverse events of the trial over HTTP, against the lists of single events and cohorts."""

from app.domain.vocabulary import Role
from tests.factories.events import adjudicate
from tests.factories.responses import day, treated_subject
from tests.factories.rows import at, move_to
from tests.factories.subjects import eligible_subject, take_place

BASES = ("all", "treatment_emergent", "related")


async def record(api, subject, on_day, term, grade, **more):
    """Record an adverse event of a subject and return its id."""
    body = {
        "subject_id": subject["id"],
        "term": term,
        "grade": grade,
        "onset_at": at(on_day, 12).isoformat(),
        "causality": "possible",
    }
    answer = await api(Role.SUB_INVESTIGATOR).post("/adverse-events", json=body | more)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def trial(api, clock):
    """Treat three on A and one on B; enrol one who is not infused and screen one."""
    first, second, third = [await treated_subject(api, clock) for _ in range(3)]
    fourth = await treated_subject(api, clock, 0, 7, level="B")
    waiting = await eligible_subject(api)
    await take_place(api, waiting["id"], "B")
    screened = await eligible_subject(api)
    move_to(clock, day(60))
    await record(api, first, day(1), "Fever", 1)
    await record(api, first, day(2), "Fever", 2, causality="unrelated")
    dlt = await record(
        api, second, day(3), "Thromboembolic event", 4, seriousness=["life_threatening"]
    )
    await adjudicate(api, dlt, is_dlt=True)
    await record(api, third, day(-2), "Headache", 2, causality=None)
    await record(
        api, fourth, day(20), "Sepsis", 5, seriousness=["death"], outcome="fatal",
        causality="unrelated", causality_disease="definite",
    )  # fmt: skip
    await record(api, waiting, day(-1), "Fall", 3, seriousness=["hospitalization"])
    await record(api, screened, day(-1), "Headache", 1)
    return {x["id"]: x["enrolment"]["dose_level"] for x in (first, second, third, fourth)}


async def safety(api, role=Role.SPONSOR):
    """Read the safety metrics."""
    answer = await api(role).get("/metrics/safety")
    assert answer.status_code == 200, answer.text
    return answer.json()


def belongs(event, basis):
    """Tell whether an event counts on a basis, said as the record says it."""
    if basis == "all":
        return True
    if basis == "treatment_emergent":
        return event["treatment_emergent"]
    stated = event["causality"] in ("definite", "probable", "possible")
    return stated or (event["causality"] is None and event["treatment_emergent"])


def check(incidences, events, n):
    """Recount participants from single events, each at the worst grade."""
    assert [x["basis"] for x in incidences] == list(BASES)
    for found in incidences:
        counted = [event for event in events if belongs(event, found["basis"])]
        worst = {}
        for event in counted:
            grades = worst.setdefault(event["subject_id"], [])
            grades.append(event["grade"])
        top = [max(grades) for grades in worst.values()]
        serious = {event["subject_id"] for event in counted if event["serious"]}
        assert found["events"] == len(counted)
        assert found["worst_grades"] == {str(grade): top.count(grade) for grade in range(1, 6)}
        expected = {
            "any_grade": len(top),
            "serious": len(serious),
            "grade_3_or_higher": sum(grade >= 3 for grade in top),
            "fatal": sum(grade == 5 for grade in top),
        }
        assert {name: found[name]["events"] for name in expected} == expected
        assert {found[name]["n"] for name in expected} == {n}


async def test_every_count_follows_from_the_single_events(api, clock):
    """Groups, terms, classes of special interest: all recounted from the list of events."""
    levels = await trial(api, clock)
    events = (await api().get("/adverse-events")).json()["items"]
    events = [event for event in events if event["subject_id"] in levels]
    metrics = await safety(api)
    assert metrics["treated"] == len(levels) == 4
    for group in metrics["groups"]:
        members = {key for key, level in levels.items() if group["level"] in (None, level)}
        own = [event for event in events if event["subject_id"] in members]
        assert group["treated"] == len(members)
        check(group["incidences"], own, len(members))
    socs = {event["soc"] for event in events}
    terms = {(event["soc"], event["term"]) for event in events}
    listed = {(row["soc"], row["term"]) for row in metrics["terms"]}
    assert listed == terms | {(soc, None) for soc in socs}
    for row in metrics["terms"]:
        own = [x for x in events if x["soc"] == row["soc"] and row["term"] in (None, x["term"])]
        check(row["incidences"], own, 4)
    for row in metrics["special_interest"]:
        check(
            row["incidences"],
            [x for x in events if row["special_interest"] in x["special_interest"]],
            4,
        )


async def test_participants_are_counted_by_hand(api, clock):
    """Two fevers are one participant at grade 2; the headache before treatment is not related."""
    await trial(api, clock)
    metrics = await safety(api)
    everything, emergent, related = metrics["groups"][0]["incidences"]
    assert [x["any_grade"]["events"] for x in (everything, emergent, related)] == [4, 3, 2]
    assert everything["worst_grades"] == {"1": 0, "2": 2, "3": 0, "4": 1, "5": 1}
    assert (related["serious"]["events"], related["fatal"]["events"]) == (1, 0)
    fever = next(x for x in metrics["terms"] if x["term"] == "Fever")
    assert fever["by_level"] == {"A": 1, "B": 0, "C": 0}
    embolism = next(x for x in metrics["special_interest"] if x["special_interest"] == "embolism")
    assert embolism["by_level"] == {"A": 1, "B": 0, "C": 0}


async def test_those_outside_the_safety_set_are_not_lost(api, clock):
    """One enrolled and one screened subject have events without an infusion, one is serious."""
    await trial(api, clock)
    assert (await safety(api))["untreated"] == {"with_events": 2, "with_serious_events": 1}


async def test_toxicities_and_doses_agree_with_the_cohorts(api, clock):
    """DLTs, evaluable and dosed subjects are those of the cohorts; cells those of infusions."""
    levels = await trial(api, clock)
    cohorts = (await api().get("/cohorts")).json()["items"]
    metrics = await safety(api)
    found = {x["level"]: x for x in metrics["dose_limiting_toxicities"]}
    for cohort in cohorts:
        row = found[cohort["dose_level"]]
        assert (row["dlts"]["events"], row["dlts"]["n"]) == (cohort["dlts"], cohort["evaluable"])
        assert (row["treated"], row["open_items"]) == (cohort["dosed"], cohort["pending"])
    one_of_three = found["A"]["dlts"]
    assert (one_of_three["events"], one_of_three["n"]) == (1, 3)
    assert (round(one_of_three["lower"], 4), round(one_of_three["upper"], 4)) == (0.0084, 0.9057)
    infusions = [
        (level, item)
        for key, level in levels.items()
        for item in (await api().get(f"/subjects/{key}/infusions")).json()["items"]
    ]
    for row in metrics["exposure"]:
        own = [item for level, item in infusions if level == row["level"]]
        assert row["infusions_started"] == row["infusions_planned"] == len(own)
        assert row["cells"] == sum(item["cells"] for item in own)
    assert [x["cells"] for x in metrics["exposure"]] == [360_000_000, 240_000_000, 0]


async def test_before_anybody_is_treated_rates_are_null(api):
    """An empty trial has no rate, and no error."""
    metrics = await safety(api)
    assert (metrics["treated"], metrics["terms"]) == (0, [])
    share = metrics["groups"][0]["incidences"][0]["any_grade"]
    assert share == {"events": 0, "n": 0, "rate": None, "lower": None, "upper": None}
