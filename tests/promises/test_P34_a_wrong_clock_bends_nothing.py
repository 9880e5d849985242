"""P34: a wrong clock of the API changes neither the order nor the time of the audit trail.

The API's clock, by which it also makes its ids, is a day ahead for one request and a day behind for
the next. And times of day are told right across daylight saving, leap days and zones.
"""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest
from sqlalchemy import text

from app.core import ids
from app.core.ids import id_at
from app.domain.vocabulary import Role
from tests.factories.doors import knock
from tests.factories.labs import neutrophils
from tests.factories.senders import create_sender
from tests.factories.subjects import SUBJECT, created, register

DAY = timedelta(days=1)
REQUESTS = 12


class WrongClock:
    """The clock of the API: off by an amount, for the application and for the ids it makes."""

    def __init__(self, clock) -> None:
        self._clock, self._right = clock, clock.now
        self.off = timedelta()

    def set(self, off: timedelta) -> None:
        """Be off by an amount from now on."""
        self.off = off
        self._clock.now = self._right + off

    def uuid7(self):
        """Make an id as the machine would whose clock this is."""
        return id_at(datetime.now(UTC) + self.off)


@pytest.fixture
def wrong(clock, monkeypatch) -> WrongClock:
    """A clock that can be set wrong."""
    made = WrongClock(clock)
    monkeypatch.setattr(ids, "compat", made)
    return made


async def write(api, wrong) -> tuple[list[str], list[str]]:
    """Register subjects and results while the clock jumps; return what was asked and made."""
    asked, made = [], []
    subject_id = await register(api)
    for number in range(REQUESTS):
        wrong.set(DAY if number % 2 else -DAY)
        if number % 3:
            answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT)
        else:
            body = neutrophils(subject_id, f"2026-05-{number + 1:02d}T01:00:00Z")
            answer = await api(Role.LABORATORY_SYSTEM).post("/labs", json=body)
        made.append(created(answer)["id"])
        asked.append(answer.headers["x-request-id"])
    wrong.set(timedelta())
    return asked, made


async def operations(api, **query) -> list[dict]:
    """List the operations of the trail."""
    answer = await api(Role.AUDITOR).get("/audit/operations", params=query)
    return answer.json()["items"]


async def test_the_trail_has_the_order_and_time_of_the_database(
    committing_api, committing_database, wrong
):
    """However the API's clock jumps, operations and changes come in the order they were made."""
    api = committing_api
    await create_sender(api)
    async with committing_database.engine.connect() as connection:
        before = await connection.scalar(text("SELECT clock_timestamp()"))
    asked, _ = await write(api, wrong)
    trail = await operations(api)
    found = [each for each in trail if each["request_id"] in asked]
    assert [each["request_id"] for each in found] == asked
    moments = [datetime.fromisoformat(each["recorded_at"]) for each in found]
    async with committing_database.engine.connect() as connection:
        after = await connection.scalar(text("SELECT clock_timestamp()"))
    assert before < moments[0]
    assert moments == sorted(moments)
    assert moments[-1] < after
    changes = (await api(Role.AUDITOR).get("/audit/changes", params={"limit": 200})).json()["items"]
    order = list(dict.fromkeys(each["operation_id"] for each in changes))
    kept = {each["id"] for each in found}
    assert [each for each in order if each in kept] == [each["id"] for each in found]
    written = [each["recorded_at"] for each in changes if each["operation_id"] in kept]
    assert all(before.isoformat() < moment.replace("Z", "+00:00") for moment in written)


async def test_a_trail_in_pages_is_the_same(committing_api, wrong):
    """A page ends where the next one begins, though the clock jumped in between."""
    await create_sender(committing_api)
    await write(committing_api, wrong)
    whole = await operations(committing_api)
    client, query, paged = committing_api(Role.AUDITOR), {"limit": 3}, []
    while True:
        page = (await client.get("/audit/operations", params=query)).json()
        paged += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert paged == whole


async def test_control_ids_of_the_api_are_not_in_order(committing_api, wrong):
    """Control: what the API names by its own clock is out of order, so the jumps are felt."""
    await create_sender(committing_api)
    _, made = await write(committing_api, wrong)
    assert made != sorted(made)


def test_an_id_of_a_moment_is_in_order():
    """Ids of moments a microsecond apart, and those of the database, are in the moments' order."""
    first = datetime(2028, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC)
    made = [id_at(first + timedelta(microseconds=number)) for number in range(2_000)]
    assert made == sorted(made)
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
    assert made[0].int >> 80 == int(first.timestamp() * 1000)


# A sender's zone, what it sends, and the instant that is meant.
LOCAL = [
    ("Asia/Shanghai", "20240229003000", "2024-02-28T16:30:00Z"),
    ("Asia/Shanghai", "202402290030", "2024-02-28T16:30:00Z"),
    ("Asia/Shanghai", "20240229003000-0500", "2024-02-29T05:30:00Z"),
    # New York: 02:30 is skipped on 8 March 2026, and 01:30 comes twice on 2 November 2025.
    ("America/New_York", "20260308013000", "2026-03-08T06:30:00Z"),
    ("America/New_York", "20260308023000", "2026-03-08T07:30:00Z"),
    ("America/New_York", "20260308033000", "2026-03-08T07:30:00Z"),
    ("America/New_York", "20251102013000", "2025-11-02T05:30:00Z"),
    ("America/New_York", "20251102013000-0500", "2025-11-02T06:30:00Z"),
    # Half an hour of daylight saving, and the end of a leap year.
    ("Australia/Lord_Howe", "20251231235959", "2025-12-31T12:59:59Z"),
    ("Asia/Kathmandu", "20241231000000", "2024-12-30T18:15:00Z"),
]


@pytest.mark.parametrize(("zone", "sent", "meant"), LOCAL)
async def test_a_local_time_is_told_as_the_instant_that_is_meant(api, zone, sent, meant):
    """Sent as a laboratory's local time, stored and read as the instant, in UTC."""
    await register(api)
    sender = await create_sender(api)
    profile = {"profile": {"time_zone": zone}, "reason": "Where the laboratory is."}
    path = f"http://test/api/v1/lis/senders/{sender['id']}/profiles"
    created(await api(Role.DATA_MANAGER).post(path, json=profile))
    message = "\r".join(
        (
            f"MSH|^~\\&|LIS|LAB|||{sent}||ORU^R01|M-1|P|2.5.1",
            "PID|1||S-001^^^NCT07212335",
            f"OBR|1||A-1|CBC|||{sent}|||||||||||||||{sent}|||F",
            "OBX|1|NM|777-3^PLT^LN||98|10*9/L|||||F",
        )
    )
    answer = await knock(api(Role.LABORATORY_SYSTEM), "hl7v2", content=message.encode() + b"\r")
    assert answer.is_success, answer.text
    (result,) = (await api().get("/labs")).json()["items"]
    assert result["collected_at"] == meant


@pytest.mark.parametrize(("day", "status"), [("2024-02-29", 201), ("2025-02-29", 422)])
async def test_a_leap_day_is_a_day_only_in_a_leap_year(api, day, status):
    """29 February is kept as it is where there is one, and refused where there is none."""
    body = SUBJECT | {"car_t_date": day}
    answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=body)
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["car_t_date"] == day
