"""P01: what was acknowledged to a laboratory system is stored exactly once and whole.

Eight senders push over MLLP and HTTP while the API, the listener and PostgreSQL are killed with
SIGKILL at random: for 6 seconds, each at least twice. `make chaos SECONDS=60` runs for longer. The
seed is printed, and the report of the promises tells the seconds and the kills.
"""

import asyncio
import os
import secrets
import sys
from collections import Counter
from pathlib import Path
from random import Random

import asyncpg
import httpx

from tests.promises.chaos import (
    CR,
    PAUSE_SECONDS,
    START_SECONDS,
    Stage,
    Traffic,
    bombard,
    stage,
    token,
)

SECONDS = float(os.environ.get("MSC_CHAOS_SECONDS", "6"))
SEED = int(os.environ.get("MSC_CHAOS_SEED", "0")) or secrets.randbelow(1_000_000) + 1
# Four over MLLP and four over HTTP, see chaos.py.
SENDERS = 8
# A long run is a minute or more.
IS_LONG = SECONDS >= 60
PARAMETERS = {"seconds": SECONDS, "senders": SENDERS}
STUDY = "NCT07212335"
PANEL = (("ANC", "751-8"), ("PLT", "777-3"), ("WBC", "6690-2"))
CARELESS = Path(__file__).with_name("careless_listener.py")


def count(control_id: str, accession: str, collected: str = "20260520080000") -> bytes:
    """Return a blood count of three results of one specimen of the first subject."""
    lines = [
        f"MSH|^~\\&|LIS|LAB|||20260520090000||ORU^R01|{control_id}|P|2.5.1",
        f"PID|1||S-001^^^{STUDY}",
        f"OBR|1||{accession}|CBC|||{collected}|||||||||||||||20260520090000|||F",
    ]
    lines += [
        f"OBX|{place}|NM|{loinc}^{name}^LN||1.5|10*9/L|||||F"
        for place, (name, loinc) in enumerate(PANEL, 1)
    ]
    return CR.join(line.encode() for line in lines) + CR


def same_bytes(control_id: str, attempt: int) -> bytes:
    """Return what a sender sends, the same at every attempt."""
    return count(control_id, control_id)


def new_keys(control_id: str, attempt: int) -> bytes:
    """Return what a sender without keys sends: every attempt looks like another specimen."""
    return count(f"{control_id}/{attempt}", f"{control_id}/{attempt}")


async def screened(stage: Stage) -> None:
    """Let the coordinator screen the first subject, S-001."""
    headers = {"Authorization": f"Bearer {token(stage, 'study_coordinator')}"}
    body = {
        "sex": "female", "birth_year": 1980, "disease": "lymphoma",
        "consent_date": "2026-05-01", "screening_date": "2026-05-01",
    }  # fmt: skip
    async with httpx.AsyncClient(headers=headers) as client:
        path = f"{stage.http}/api/v1/studies/{STUDY}/subjects"
        answer = await client.post(path, json=body)
    assert answer.json()["number"] == "S-001", answer.text


async def stored(stage: Stage, query: str) -> list[asyncpg.Record]:
    """Ask the database itself, once it has recovered from the last kill."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(stage.url)
            break
        except (OSError, asyncpg.CannotConnectNowError):
            assert asyncio.get_running_loop().time() < deadline, "the database does not come back"
            await asyncio.sleep(PAUSE_SECONDS)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def run(stage: Stage, traffic: Traffic, seconds: float = SECONDS) -> None:
    """Screen a subject, push and kill, and say what happened."""
    await screened(stage)
    bearer = token(stage, "laboratory_system")
    await bombard(stage, traffic, bearer, seconds, SEED)
    kills = {process.name: process.kills for process in stage.processes}
    print(
        f"seed {SEED}: {len(traffic.acknowledged)} of {len(traffic.sent)} acknowledged"
        f" in {traffic.attempts} attempts, kills {kills}"
    )
    assert all(number >= 2 for number in kills.values())
    assert len(traffic.acknowledged) >= 8


async def misfits(stage: Stage, traffic: Traffic) -> list[str]:
    """Name every message that is not there exactly once, whole, with its audit row."""
    messages = await stored(
        stage,
        "SELECT split_part(control_id, '/', 1) AS message, results, filed, o.command"
        " FROM inbound_message m LEFT JOIN operation o ON (o.study_id, o.id) ="
        " (m.study_id, m.operation_id)",
    )
    results = await stored(
        stage,
        "SELECT split_part(accession, '/', 1) AS message, count(*) AS results,"
        " count(DISTINCT analyte) AS analytes, count(o.id) AS audited"
        " FROM lab_result r LEFT JOIN operation o ON (o.study_id, o.id) ="
        " (r.study_id, r.operation_id) GROUP BY 1",
    )
    times = Counter(row["message"] for row in messages)
    found = {row["message"]: tuple(row)[1:] for row in results}
    whole = (len(PANEL),) * 3
    wrong = [name for name in traffic.acknowledged if (times[name], found.get(name)) != (1, whole)]
    wrong += [name for name in times if times[name] != 1 or found.get(name) != whole]
    wrong += [row["message"] for row in messages if row["command"] is None]
    return sorted(set(wrong))


async def test_every_acknowledged_message_is_there_once_and_whole(parameters):
    """Killing the API, the listener and PostgreSQL loses, doubles and halves nothing."""
    with stage() as made:
        traffic = Traffic(same_bytes, chance=Random(SEED))
        await run(made, traffic)
        parameters(
            kills={process.name: process.kills for process in made.processes},
            acknowledged=len(traffic.acknowledged),
        )
        assert await misfits(made, traffic) == []


async def test_the_run_notices_messages_without_a_key():
    """Control: senders that make a new key for every attempt store a message twice."""
    with stage() as made:
        traffic = Traffic(new_keys, chance=Random(SEED))
        await run(made, traffic)
        assert await misfits(made, traffic) != []


async def test_the_run_notices_an_early_acknowledgement():
    """Control: a listener that acknowledges before it commits loses messages."""
    command = [sys.executable, str(CARELESS)]
    with stage(mllp=command) as made:
        traffic = Traffic(same_bytes, chance=Random(SEED))
        await run(made, traffic)
        assert await misfits(made, traffic) != []


async def test_the_run_notices_a_commit_that_does_not_wait():
    """Control: a database that commits without waiting for the disk loses messages."""
    with stage("synchronous_commit=off", "wal_writer_delay=10s") as made:
        traffic = Traffic(same_bytes, chance=Random(SEED))
        await run(made, traffic)
        assert await misfits(made, traffic) != []
