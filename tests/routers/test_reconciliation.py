"""The reconciliation: every result that came in is filed, a duplicate, waiting or refused."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from tests.factories.messages import (
    RECONCILIATION,
    laboratory,
    local,
    of,
    resolved,
    send,
    undecodable,
    waiting,
)
from tests.factories.rows import writing
from tests.factories.senders import BASE
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import (
    ANC,
    PLT,
    analyzer_quality_control,
    message,
    msh,
    obr,
    obx,
    pid,
)

COUNTS = ("received", "filed", "duplicates", "inbox", "refused")


@pytest.fixture
async def lab(api):
    """The client of a laboratory system of the site of subject S-001."""
    await register(api)
    return await laboratory(api)


def about(*results, control_id, accession="A-1") -> bytes:
    """Build a message about S-001."""
    return message(msh(control_id=control_id), pid(), obr(accession), *results)


async def report(api, **query):
    """Read the reconciliation."""
    answer = await api(Role.MONITOR).get(RECONCILIATION, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(balance) -> tuple[int, ...]:
    """Return the counts of a balance."""
    return tuple(balance[name] for name in COUNTS)


async def test_nothing_came_and_nothing_is_missing(api):
    """Without a message everything is zero, balanced, and nothing waits."""
    found = await report(api)
    assert found["days"] == []
    assert (counts(found["total"]), found["total"]["balanced"]) == ((0,) * 5, True)
    assert (found["open_items"], found["oldest_open_seconds"]) == (0, None)
    assert found["period"] == {"first": "2026-05-26", "last": "2026-06-01", "sender": None}


async def test_each_result_is_counted_where_it_ended(api, lab):
    """Filed, a duplicate, waiting, refused as no production, and one message more."""
    await send(lab, about(obx(PLT, "98"), local(), control_id="M-1"))
    await send(lab, about(obx(PLT, "98"), control_id="M-2"))
    headers = {"Content-Type": "application/hl7-v2"}
    await lab.post(f"{BASE}/lis/hl7v2", content=analyzer_quality_control(), headers=headers)
    found = await report(api)
    (day,) = found["days"]
    assert (day["sender"], day["day"], day["messages"]) == ("LIS-01", "2026-06-01", 3)
    assert counts(day) == (5, 1, 1, 1, 2)
    assert (day["dead_letters"], day["balanced"], day["unbalanced"]) == (1, True, [])
    assert counts(found["total"]) == counts(day)


async def test_a_message_sent_again_is_counted_once(api, lab):
    """A repeat writes nothing, so nothing more was received."""
    raw = about(obx(PLT, "98"), control_id="M-1")
    await send(lab, raw)
    await send(lab, raw)
    assert counts((await report(api))["total"]) == (1, 1, 0, 0, 0)


async def test_the_balance_holds_through_every_resolution(api, lab):
    """Mapped, rejected, found to be a duplicate, taken apart: the sum stays what came in."""
    await send(lab, about(obx(PLT, "98"), control_id="M-1"))
    await send(lab, about(local("P-L", "98"), control_id="M-2"))
    await send(lab, of("MRN-7", obx(PLT, "10"), control_id="M-3", accession="A-3"))
    await send(lab, undecodable(obx(PLT, "98"), obx(ANC, "1.2"), control_id="M-4"))
    assert counts((await report(api))["total"]) == (5, 1, 0, 4, 0)
    whole, *_ = await waiting(api, kind="message")
    path = f"{BASE}/lis/senders/{whole['sender_id']}/profiles"
    body = {"profile": {"charset": "cp1252"}, "reason": "Their documents say so."}
    await api(Role.DATA_MANAGER).post(path, json=body)
    await resolved(api, whole, action="retry")
    assert counts((await report(api))["total"]) == (5, 2, 1, 2, 0)
    (code,) = await waiting(api, reason="unmapped_code")
    await resolved(api, code, action="map_code", analyte="PLT")
    assert counts((await report(api))["total"]) == (5, 2, 2, 1, 0)
    (unknown,) = await waiting(api)
    await resolved(api, unknown, action="reject")
    found = await report(api)
    assert (counts(found["total"]), found["total"]["balanced"]) == ((5, 2, 2, 0, 1), True)
    assert found["open_items"] == 0


async def test_a_missing_result_is_named(api, lab):
    """Were a result lost, the message that held it would be named, and nothing look balanced."""
    await send(lab, about(obx(PLT, "98"), local(), control_id="M-1"))
    (item,) = await waiting(api)
    async with writing(api, reason="Lose a result.") as (session, _):
        lose = "UPDATE inbox_item SET status = 'done' WHERE kind = 'result'"
        await session.execute(text(lose))
    found = await report(api)
    assert found["days"][0]["unbalanced"] == [item["message_id"]]
    assert (found["days"][0]["balanced"], found["total"]["balanced"]) == (False, False)
    assert counts(found["total"]) == (2, 1, 0, 0, 0)


async def test_days_are_the_studys_and_senders_are_apart(api, lab, clock):
    """Midnight is that of the study's zone; each sender has a row of its own."""
    other = await laboratory(api, code="LIS-02", issuer="urn:other", subject="other")
    clock.now = clock.now.replace(hour=15, minute=59)
    await send(lab, about(obx(PLT, "98"), control_id="M-1"))
    clock.advance(minutes=2)
    await send(lab, about(obx(PLT, "99"), control_id="M-2", accession="A-2"))
    await send(other, about(obx(PLT, "97"), control_id="M-3", accession="A-3"))
    found = await report(api)
    assert [(day["day"], day["sender"], day["filed"]) for day in found["days"]] == [
        ("2026-06-01", "LIS-01", 1),
        ("2026-06-02", "LIS-01", 1),
        ("2026-06-02", "LIS-02", 1),
    ]
    one = await report(api, sender="LIS-02")
    assert counts(one["total"]) == (1, 1, 0, 0, 0)
    day = await report(api, **{"from": "2026-06-01", "to": "2026-06-01"})
    assert [each["day"] for each in day["days"]] == ["2026-06-01"]


async def test_uploads_by_people_are_reconciled_too(api, lab):
    """A file that a person uploads has no sender, and its rows are accounted for."""
    file = "subject,analyte,value,unit,collected_at\nS-001,PLT,98,10*9/L,2026-05-20 08:15\n"
    client = api(Role.STUDY_COORDINATOR)
    for content in (file, file + "S-001,ANC,1.2,10*9/L,2026-05-20 08:15\n"):
        answer = await client.post(
            f"{BASE}/lis/csv", content=content, headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 200, answer.text
    (day,) = (await report(api))["days"]
    assert (day["sender"], day["messages"]) == (None, 2)
    assert (counts(day), day["balanced"]) == ((3, 2, 1, 0, 0), True)


async def test_the_oldest_open_item_tells_how_long_it_waits(api, lab, clock):
    """Whenever it came: also before the period."""
    await send(lab, about(local(), control_id="M-1"))
    received = clock.now
    clock.advance(days=30)
    found = await report(api)
    assert (found["days"], found["open_items"]) == ([], 1)
    assert found["oldest_open_seconds"] == timedelta(days=30).total_seconds()
    assert found["oldest_open_at"] == received.isoformat().replace("+00:00", "Z")
    assert (await report(api, sender="LIS-01"))["open_items"] == 1


async def test_the_balance_is_read_as_it_was(api, lab, clock, session):
    """With as_of a result that was rejected since still waits."""
    await send(lab, about(local(), control_id="M-1"))
    moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    (item,) = await waiting(api)
    await resolved(api, item, action="reject")
    clock.now = moment + timedelta(hours=1)
    period = {"from": "2026-06-01", "to": "2026-06-01"}
    assert counts((await report(api, **period))["total"]) == (1, 0, 0, 0, 1)
    past = await report(api, as_of=moment.isoformat(), **period)
    assert (counts(past["total"]), past["open_items"]) == ((1, 0, 0, 1, 0), 1)


async def test_anything_a_laboratory_sends_stays_balanced(api, lab):
    """Thirty messages of results good and bad, then resolutions at random: nothing is missing."""
    chance = random.Random(11)
    kinds = [
        obx(PLT, "98"), obx(PLT, "97", fields={11: "C"}), obx(PLT, "", fields={11: "D"}),
        obx(PLT, "98", fields={11: "W"}), obx(ANC, "1.2"), obx(ANC, "?"), local(),
        obx(PLT, "", fields={11: "U"}),
    ]  # fmt: skip
    received = 0
    for number in range(30):
        results = chance.choices(kinds, k=chance.randint(1, 4))
        received += len(results)
        accession = f"A-{chance.randint(1, 5)}"
        await send(lab, about(*results, control_id=f"M-{number}", accession=accession))
    for action in ("retry", "map_code", "reject", "retry", "reject"):
        items = [item for item in await waiting(api) if item["kind"] == "result"]
        found = await report(api)
        assert (found["total"]["received"], found["total"]["balanced"]) == (received, True)
        fits = [
            item for item in items
            if action != "map_code" or item["reasons"][0]["code"] == "unmapped_code"
        ]  # fmt: skip
        if fits:
            more = {"analyte": "ANC"} if action == "map_code" else {}
            await resolved(api, chance.choice(fits), action=action, **more)
    assert (await report(api))["total"]["balanced"] is True


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-06-02", "to": "2026-06-01"}, "empty_period"),
        ({"from": "2025-01-01", "to": "2026-06-01"}, "period_too_long"),
        ({"sender": "LIS-99"}, "unknown_sender"),
    ],
)
async def test_a_period_that_cannot_be_is_refused(api, query, code):
    """The refusal names the parameter."""
    answer = await api(Role.MONITOR).get(RECONCILIATION, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


async def test_machines_do_not_reconcile(api, lab):
    """A laboratory system may not read what became of its results."""
    assert (await api(Role.LABORATORY_SYSTEM).get(RECONCILIATION)).status_code == 403
