"""Reference ranges over HTTP: which counts, what it fills, what it changes, who sees that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.casebooks import bring_to
from tests.factories.dosing import GIVEN_AT, dose
from tests.factories.labs import measured, refusal
from tests.factories.moved import moved, part
from tests.factories.people import set_up_site, working_at
from tests.factories.rows import at
from tests.factories.senders import create_sender
from tests.factories.signing import checked, sign
from tests.factories.subjects import (
    FIRST_INFUSION,
    created,
    eligible_subject,
    enrol,
    register,
)

PATH = "/reference-ranges"
DM, CRC = Role.DATA_MANAGER, Role.STUDY_COORDINATOR
ALT = {
    "laboratory": "WARD", "analyte": "GPT", "unit": "U/L", "low": 5, "high": 40,
    "effective_from": "2026-05-01",
}  # fmt: skip


async def add(client, **changes) -> dict:
    """Record a range."""
    return created(await client.post(PATH, json=ALT | changes))


async def take_back(client, found: dict, **body) -> dict:
    """End a range, or take it back."""
    why = {"reason": "Of another laboratory."}
    return created(await client.post(f"{PATH}/{found['id']}/retraction", json=why | body))


async def send(api, subject_id: str, value: float = 121, **more) -> dict:
    """Record an ALT of the ward without limits."""
    body = measured(subject_id, "ALT", value, "U/L", source="WARD") | more
    return created(await api().post("/labs", json=body))


async def read(api, result: dict, **params) -> dict:
    """Read a result, with its only grade in place of all."""
    answer = (await api().get(f"/labs/{result['id']}", params=params)).json()
    (grade,) = answer["grades"]
    return answer | {"grades": grade}


async def test_a_result_without_limits_is_graded_by_its_laboratorys_range(api):
    """The grade says so; what was sent stays as it was sent."""
    result = await send(api, await register(api))
    assert (await read(api, result))["grades"]["missing"] == ["uln"]
    made = await add(api(DM))
    found = await read(api, result)
    assert (found["grades"]["grade"], found["lln"], found["uln"]) == (2, None, None)
    assert found["grades"]["rests_on"] == [
        *(f"{name} from reference range 1 of WARD ({made['id']})" for name in ("lln 5", "uln 40")),
        "threshold 120",
    ]
    assert found["applied_limits"] == {
        "lln": 5, "uln": 40,
        "reference_range": {"id": made["id"], "number": 1, "filled": ["lln", "uln"]},
    }  # fmt: skip


async def test_what_a_range_says(api):
    """The key of the analyte, the limits in both units, its number, and until when it counts."""
    first = await add(api(DM), sex="male", age_to=64, unit="ukat/L", low=None, high=0.8)
    assert (first["analyte"], first["high"], first["uln"], first["canonical_unit"]) == (
        "ALT", 0.8, 48, "U/L",
    )  # fmt: skip
    assert (first["low"], first["lln"], first["effective_until"]) == (None, None, None)
    second = await add(api(CRC), sex="male", age_to=64, effective_from="2026-06-01")
    assert (first["number"], second["number"]) == (1, 2)
    again = (await api(Role.CELL_LABORATORY).get(f"{PATH}/{first['id']}")).json()
    assert again["effective_until"] == "2026-06-01"
    assert (await add(api(DM), analyte="AST"))["number"] == 1


async def test_own_limits_count_first(api):
    """Of a result that came with one limit only the other is filled, if it does not contradict."""
    await add(api(DM))
    subject_id = await register(api)
    own = await read(api, await send(api, subject_id, uln=60))
    assert (own["grades"]["grade"], own["applied_limits"]["lln"]) == (1, 5)
    assert own["applied_limits"]["reference_range"]["filled"] == ["lln"]
    odd = await read(api, await send(api, subject_id, uln=4, accession="A-1"))
    assert odd["applied_limits"] == {"lln": None, "uln": 4, "reference_range": None}
    other = await read(api, await send(api, subject_id, source="OTHER"))
    assert other["applied_limits"]["uln"] is None


async def test_the_day_of_collection_in_the_studys_zone_decides(api):
    """16:00 UTC is the next day in Shanghai, from which the newer version counts."""
    await add(api(DM))
    await add(api(DM), high=60, effective_from="2026-05-21")
    subject_id, found = await register(api), []
    for minute in ("15:59:59", "16:00:00"):
        result = await send(api, subject_id, collected_at=f"2026-05-20T{minute}Z")
        found.append((await read(api, result))["applied_limits"]["uln"])
    assert found == [40, 60]
    on = {"on": "2026-05-20", "laboratory": "WARD", "analyte": "alt"}
    (item,) = (await api().get(PATH, params=on)).json()["items"]
    assert item["high"] == 40
    (item,) = (await api().get(PATH, params={"on": "2026-05-21"})).json()["items"]
    assert item["high"] == 60
    assert len((await api().get(PATH)).json()["items"]) == 2
    assert (await api().get(PATH, params={"laboratory": "OTHER"})).json()["items"] == []
    unknown = await api().get(PATH, params={"analyte": "XYZ"})
    assert refusal(unknown) == (422, "unknown_analyte", "/query/analyte")


async def test_a_range_of_the_other_sex_or_age_is_not_taken(api):
    """The baseline's limit is filled like any other; people of other bands keep none."""
    subject_id = await register(api, sex="female", birth_year=1980, age_at_consent=None)
    await add(api(DM), sex="male")
    await add(api(DM), sex="female", age_to=45)
    result = await send(api, subject_id)
    assert (await read(api, result))["applied_limits"]["uln"] is None
    await add(api(DM), sex="female", age_from=46)
    assert (await read(api, result))["applied_limits"]["uln"] is None
    (last,) = (await api().get(PATH)).json()["items"][2:]
    await take_back(api(DM), last)
    (middle,) = (await api().get(PATH)).json()["items"][1:2]
    await take_back(api(DM), middle)
    await add(api(DM), sex="female", age_from=45, age_to=46)
    assert (await read(api, result))["applied_limits"]["uln"] == 40


async def test_a_new_range_says_which_grades_it_changed(api, session):
    """Graded by the baseline of the ward the result of another laboratory changes as well."""
    subject_id = await register(api)
    before = (GIVEN_AT - timedelta(days=1)).isoformat()
    baseline = await send(api, subject_id, 80, collected_at=before)
    own = await send(api, subject_id, 119)
    other = await send(api, subject_id, 119, source="OTHER", uln=90)
    await send(api, subject_id, 10, lln=5, uln=40, accession="A-2")
    await dose(api, subject_id)
    made = await add(api(DM))
    assert [
        (each["lab_id"], each["before"]["grade"], each["after"]["grade"])
        for each in made["changed"]
    ] == [(baseline["id"], None, 0), (own["id"], None, 0), (other["id"], 1, 0)]
    first = made["changed"][0]
    assert (first["subject_id"], first["subject_number"]) == (subject_id, "S-001")
    assert (first["term"], first["analyte"]) == ("Alanine aminotransferase increased", "ALT")
    assert (first["before"]["grade_min"], first["before"]["grade_max"]) == (0, 4)
    path = f"{PATH}/{made['id']}/changes"
    assert (await api(Role.MONITOR).get(path)).json() == {"items": made["changed"], "next": None}
    back = await take_back(api(DM), made)
    assert (back["retracted"], back["retraction_reason"]) == (True, "Of another laboratory.")
    assert [(each["before"], each["after"]) for each in back["changed"]] == [
        (each["after"], each["before"]) for each in made["changed"]
    ]
    assert (await api().get(path)).json()["items"] == []


async def test_everything_is_read_as_it_was(api, session, clock):
    """Before a range was recorded nothing was filled; before it was taken back it was."""
    result = await send(api, await register(api))
    made = await add(api(DM))
    await take_back(api(DM), made)
    clock.now = await session.scalar(text("SELECT clock_timestamp()"))
    (back,) = (await api().get(PATH)).json()["items"]
    assert back["retracted"] is True
    moment = {"as_of": made["recorded_at"]}
    assert (await read(api, result, **moment))["grades"]["grade"] == 2
    assert (await read(api, result))["grades"]["grade"] is None
    then = (await api().get(f"{PATH}/{made['id']}", params=moment)).json()
    assert (then["retracted"], then["retraction_reason"]) == (False, None)
    changes = await api().get(f"{PATH}/{made['id']}/changes", params=moment)
    assert changes.json()["items"] == made["changed"]
    early = {"as_of": result["recorded_at"]}
    assert (await api().get(PATH, params=early)).json()["items"] == []
    assert (await api().get(f"{PATH}/{made['id']}", params=early)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"analyte": "XYZ"}, (422, "unknown_analyte", "/body/analyte")),
        ({"analyte": "HBSAG"}, (422, "unknown_unit", "/body/unit")),
        ({"unit": "g/L"}, (422, "unknown_unit", "/body/unit")),
        ({"unit": None}, (422, "unknown_unit", "/body/unit")),
        ({"low": 41}, (422, "range_inverted", "/body/low")),
        ({"high": 0}, (422, "implausible_range", "/body/high")),
        ({"high": 10_000_000}, (422, "implausible_range", "/body/high")),
        ({"low": None, "high": None}, (422, "validation_failed", "/body")),
        ({"age_from": 18, "age_to": 17}, (422, "validation_failed", "/body")),
    ],
)
async def test_a_range_that_cannot_be_is_refused(api, changes, expected):
    """Each refusal names the field; nothing is stored."""
    answer = await api(DM).post(PATH, json=ALT | changes)
    assert refusal(answer) == expected
    assert (await api().get(PATH)).json()["items"] == []


async def test_ranges_do_not_overlap(api):
    """Refused with a sentence: the same day, other ages or another sex that meet; apart is taken.

    A range is made room for by ending the one in the way.
    """
    first = await add(api(DM), age_from=18)
    again = await api(DM).post(PATH, json=ALT | {"age_from": 18})
    assert (again.status_code, again.json()["code"]) == (409, "range_exists")
    men = {"sex": "male", "age_from": 60, "effective_from": "2026-06-01"}
    refused = await api(DM).post(PATH, json=ALT | men)
    assert (refused.status_code, refused.json()["code"]) == (409, "ranges_overlap")
    assert refused.json()["detail"].endswith(".")
    await add(api(DM), age_to=17)
    ended = await take_back(api(DM), first, from_day="2026-06-01")
    assert (ended["effective_until"], ended["retracted"]) == ("2026-06-01", False)
    await add(api(DM), **men)
    assert len((await api().get(PATH)).json()["items"]) == 3


async def test_a_range_ends_once_and_after_its_beginning(api):
    """Not at or before its first day, and not again later; what would meet another stays."""
    made = await add(api(DM))
    path = f"{PATH}/{made['id']}/retraction"
    early = {"from_day": ALT["effective_from"], "reason": "Wrong."}
    assert refusal(await api(DM).post(path, json=early)) == (
        422, "end_before_begin", "/body/from_day",
    )  # fmt: skip
    newer = await add(api(DM), effective_from="2026-06-01")
    late = await api(DM).post(path, json={"from_day": "2026-06-01", "reason": "Over."})
    assert (late.status_code, late.json()["code"]) == (409, "range_ended")
    await take_back(api(DM), newer, from_day="2026-07-01")
    await add(api(DM), sex="male", effective_from="2026-07-01")
    back = await api(DM).post(f"{PATH}/{newer['id']}/retraction", json={"reason": "Wrong."})
    assert (back.status_code, back.json()["code"]) == (409, "ranges_overlap")
    await take_back(api(DM), made)
    again = await api(DM).post(path, json={"reason": "Wrong."})
    assert (again.status_code, again.json()["code"]) == (409, "range_ended")


async def test_who_records_ranges(api):
    """Data managers and coordinators; others read, the sponsor and laboratory systems do not."""
    for role in (Role.PRINCIPAL_INVESTIGATOR, Role.MONITOR, Role.CELL_LABORATORY):
        assert (await api(role).post(PATH, json=ALT)).status_code == 403
        assert (await api(role).get(PATH)).status_code == 200
    for role in (Role.SPONSOR, Role.LABORATORY_SYSTEM):
        assert (await api(role).get(PATH)).status_code == 403
    absent = f"{PATH}/00000000-0000-7000-8000-000000000000"
    for path in (absent, f"{absent}/changes"):
        assert (await api().get(path)).status_code == 404


async def test_at_a_site_one_sees_the_own_subjects_grades(api):
    """A range is of no site; who works at one records it for the laboratory systems there."""
    await set_up_site(api, "02")
    second = await working_at(api, "02", CRC, "cora")
    own, foreign = await register(api, site="02"), await register(api, site="01")
    await send(api, own)
    await send(api, foreign)
    refused = await second.post(PATH, json=ALT)
    assert (refused.status_code, refused.json()["code"]) == (403, "whole_study_only")
    made = await add(api(DM))
    assert [each["subject_id"] for each in made["changed"]] == [own, foreign]
    seen = (await second.get(f"{PATH}/{made['id']}/changes")).json()["items"]
    assert [each["subject_id"] for each in seen] == [own]
    path = f"{PATH}/{made['id']}/retraction"
    refused = await second.post(path, json={"reason": "Wrong."})
    assert (refused.status_code, refused.json()["code"]) == (403, "whole_study_only")
    await create_sender(api, code="LIS-02", site="02")
    theirs = created(await second.post(PATH, json=ALT | {"laboratory": "LIS-02"}))
    assert theirs["changed"] == []
    assert len((await second.get(PATH)).json()["items"]) == 2


async def test_a_range_decides_candidates_and_eligibility(api, session):
    """What has no limit of its own is neither a candidate nor judged until the range is there."""
    subject = await eligible_subject(api)
    creatinine = measured(subject["id"], "CREA", 140, "umol/L", source="WARD")
    when = at(FIRST_INFUSION - timedelta(days=3)).isoformat()
    created(await api().post("/labs", json=creatinine | {"collected_at": when}))
    path = f"/subjects/{subject['id']}/eligibility"
    (unknown,) = (await api().get(path)).json()["unknown"]
    await add(api(DM), analyte="CREA", unit="mg/dL", low=None, high=1)
    assert (await api().get(path)).json()["failed"] == [unknown]
    treated = await register(api)
    await dose(api, treated)
    await send(api, treated)
    candidates = "/adverse-events/candidates"
    assert (await api().get(candidates)).json()["items"] == []
    made = await add(api(DM))
    (found,) = (await api().get(candidates)).json()["items"]
    assert (found["term"], found["grade"]) == (made["changed"][0]["term"], 2)


async def test_a_changed_range_moves_the_enrolment_that_rested_on_it(api, session):
    """The version that filled the limit is named: taken back, and replaced by a newer one."""
    subject = await eligible_subject(api)
    made = await add(api(DM), analyte="CREA", unit="umol/L", low=None, high=100)
    creatinine = measured(subject["id"], "CREA", 70, "umol/L", source="WARD")
    when = at(FIRST_INFUSION - timedelta(days=3)).isoformat()
    created(await api().post("/labs", json=creatinine | {"collected_at": when}))
    created(await enrol(api, subject))
    signed = await sign(api(), "eligibility", subject["id"])
    await add(api(DM))
    assert await moved(api) == []
    await take_back(api(DM), made)
    for found in await moved(api):
        assert part(found, "verdict") == ("eligible", "undetermined")
        (record,) = found["moved"]
        assert (record["record_type"], record["record_id"]) == ("reference_range", made["id"])
        assert (record["movement"], record["version_before"]) == ("retracted", 1)
        assert record["writes"][0]["actor_name"] == "Data manager (development)"
    assert [each["type"] for each in await moved(api)] == ["enrolment", "signature"]
    assert (await checked(api(), signed["id"]))["void"] is True
    newer = await add(api(DM), analyte="CREA", unit="umol/L", low=None, high=90)
    found, _ = await moved(api)
    assert {each["record_id"]: each["movement"] for each in found["moved"]} == {
        made["id"]: "retracted", newer["id"]: "recorded",
    }  # fmt: skip
    await take_back(api(DM), newer)
    await add(api(DM), analyte="CREA", unit="umol/L", low=None, high=100)
    assert await moved(api) == []


async def test_a_closed_casebook_keeps_no_range_out(api):
    """The range is the study's: it is recorded, and the locked subject's grades read by it."""
    subject_id = await register(api)
    result = await send(api, subject_id)
    await bring_to(api, subject_id, "locked")
    made = await add(api(DM))
    assert [each["lab_id"] for each in made["changed"]] == [result["id"]]
    await take_back(api(DM), made)
