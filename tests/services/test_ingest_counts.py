"""Each door's results are counted by what became of them, once they are committed."""

from time import perf_counter

import pytest

from app.core.telemetry import Process, registry_of
from app.domain.inbound import Door
from app.domain.vocabulary import Role
from app.services import lab_sending
from app.services.ingest_counts import DOORS, Counts, count_ingest, noted, show_doors
from app.services.lab_intake import LabIntake
from tests.factories.doors import CSV_TYPE, ER7
from tests.factories.labs import hemoglobin, neutrophils
from tests.factories.messages import laboratory, send
from tests.factories.mllp import connected, listening
from tests.factories.senders import BASE
from tests.factories.subjects import SUBJECT, register
from tests.interop.fhir.samples import bundle, entry
from tests.interop.fhir.samples import neutrophils as observation
from tests.interop.hl7v2.samples import PLT, message, msh, obr, obx, pid
from tests.routers.fhir_doors import post, put

SHOWN = registry_of(Process.API, Process.MLLP)
OUTCOMES = ("filed", "duplicate", "inbox", "refused")
HEADER = "subject,analyte,value,unit,collected_at"
FILE = f"{HEADER}\nS-001,PLT,9,10*9/L,2026-05-20 08:15\n"
KEY = {"Idempotency-Key": "one"}


def value(name: str, **labels: str) -> float:
    """Return what a series says."""
    found = SHOWN.get_sample_value(name, labels)
    assert found is not None, (name, labels)
    return found


class Counted:
    """How much the series of one door have grown since this was made."""

    def __init__(self, door: Door) -> None:
        self.door = door
        show_doors(door)
        self.before = self._now()

    def _now(self) -> dict[str, float]:
        series = {
            each: value("msc_icaht_ingest_results_total", door=self.door, outcome=each)
            for each in OUTCOMES
        }
        for each in ("taken", "repeated"):
            name = "msc_icaht_ingest_messages_total"
            series[each] = value(name, door=self.door, outcome=each)
        timed = SHOWN.get_sample_value("msc_icaht_ingest_seconds_count", {"door": str(self.door)})
        return series | {"timed": timed or 0.0}

    @property
    def grown(self) -> dict[str, float]:
        """Name what has grown, and by how much."""
        now = self._now()
        return {name: now[name] - old for name, old in self.before.items() if now[name] != old}


def about(*results: str) -> bytes:
    """Build a message about S-001."""
    return message(msh(control_id="M-1"), pid("S-001"), obr("A-1"), *results)


@pytest.fixture
async def subject(api) -> str:
    """The first subject, S-001."""
    return await register(api)


@pytest.mark.parametrize("short", [True, False])
async def test_json_is_counted_on_both_ways(api, subject, monkeypatch, short):
    """The short way counts what the plain way counts; what is there already is a duplicate."""
    if not short:

        async def leave(self, sending):
            return None

        monkeypatch.setattr(LabIntake, "take", leave)
    client, counted = api(Role.LABORATORY_SYSTEM), Counted(Door.JSON)
    body = {"results": [neutrophils(subject), hemoglobin(subject)]}
    assert (await client.post("/labs", json=body)).is_success
    assert counted.grown == {"filed": 2, "taken": 1, "timed": 1}
    body["results"].append(neutrophils(subject, unit="mg/dL"))
    assert (await client.post("/labs", json=body)).is_success
    assert counted.grown == {"filed": 2, "duplicate": 2, "refused": 1, "taken": 2, "timed": 2}


async def test_a_message_is_counted_once_however_often_it_comes(api, subject):
    """HL7 v2 over HTTP: what is filed and what waits; the same again is only a repeated message."""
    lab, counted = await laboratory(api), Counted(Door.HL7V2)
    raw = about(obx(PLT, "98"), obx("X^Own code^L", "1"))
    await send(lab, raw)
    assert counted.grown == {"filed": 1, "inbox": 1, "taken": 1, "timed": 1}
    await send(lab, raw)
    assert counted.grown == {"filed": 1, "inbox": 1, "taken": 1, "repeated": 1, "timed": 2}


async def test_a_rehearsal_counts_nothing(api, subject):
    """What would become of a message is no ingest."""
    lab, counted = await laboratory(api), Counted(Door.HL7V2)
    headers = {"Content-Type": ER7}
    raw = about(obx(PLT, "98"))
    answer = await lab.post(f"{BASE}/lis/hl7v2/validation", content=raw, headers=headers)
    assert answer.status_code == 200, answer.text
    assert counted.grown == {}


async def test_what_is_rolled_back_is_not_counted(api, subject, monkeypatch):
    """A failure after filing leaves neither results nor counts."""
    noted = lab_sending.noted

    def fail(*args):
        noted(*args)
        raise RuntimeError

    monkeypatch.setattr(lab_sending, "noted", fail)
    counted = Counted(Door.JSON)

    async def leave(self, sending):
        return None

    monkeypatch.setattr(LabIntake, "take", leave)
    client = api(Role.LABORATORY_SYSTEM)
    body = {"results": [neutrophils(subject)]}
    assert (await client.post("/labs", json=body)).status_code == 500
    assert counted.grown == {}
    monkeypatch.setattr(lab_sending, "noted", noted)
    assert (await client.post("/labs", json=body)).is_success
    assert counted.grown == {"filed": 1, "taken": 1, "timed": 1}


async def test_files_are_counted(api, subject):
    """A CSV file counts its rows; the same file again is a repeated one."""
    lab, counted = await laboratory(api), Counted(Door.CSV)
    for _ in range(2):
        answer = await lab.post(f"{BASE}/lis/csv", content=FILE, headers={"Content-Type": CSV_TYPE})
        assert answer.is_success, answer.text
    assert counted.grown == {"filed": 1, "taken": 1, "repeated": 1, "timed": 2}


async def test_fhir_is_counted(api, subject):
    """An Observation is one result."""
    lab, counted = await laboratory(api), Counted(Door.FHIR)
    answer = await post(lab, "/Observation", observation())
    assert answer.is_success, answer.text
    grown = counted.grown
    assert (grown["taken"], grown["timed"]) == (1, 1)
    assert sum(grown.get(each, 0) for each in OUTCOMES) == 1


async def test_what_a_bundle_tried_first_is_not_counted(api, subject):
    """A batch that is taken in again without an entry is one message with the rest."""
    lab = await laboratory(api)
    assert (await put(lab, "/Observation/a", observation(id="a"))).status_code == 201
    moved = observation(id="a", specimen={"identifier": {"value": "A-78"}})
    beside = observation(specimen={"identifier": {"value": "A-99"}})
    counted = Counted(Door.FHIR)
    answer = await post(lab, "", bundle(entry(moved, "PUT"), entry(beside)))
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["422", "201"]
    assert counted.grown == {"filed": 1, "taken": 1, "timed": 1}


async def send_again(api, subject, door: Door) -> None:
    """Send the same through a door under the same Idempotency-Key, once more than is needed."""
    lab = await laboratory(api)
    for _ in range(2):
        if door is Door.JSON:
            body, sender = {"results": [neutrophils(subject)]}, api(Role.LABORATORY_SYSTEM)
            answer = await sender.post("/labs", json=body, headers=KEY)
        elif door is Door.FHIR:
            answer = await post(lab, "/Observation", observation(), Idempotency_Key="one")
        else:
            path, kind = {Door.CSV: ("csv", CSV_TYPE), Door.HL7V2: ("hl7v2", ER7)}[door]
            content = FILE if door is Door.CSV else about(obx(PLT, "98"))
            headers = KEY | {"Content-Type": kind}
            answer = await lab.post(f"{BASE}/lis/{path}", content=content, headers=headers)
        assert answer.is_success, answer.text
    assert answer.headers["Idempotent-Replay"] == "true"


@pytest.mark.parametrize("door", [Door.JSON, Door.CSV, Door.HL7V2, Door.FHIR])
async def test_what_is_answered_as_before_is_counted_as_repeated(api, subject, door):
    """Whatever the door: a resend under its key is a repeated message, and brings no results."""
    counted = Counted(door)
    await send_again(api, subject, door)
    assert counted.grown == {"filed": 1, "taken": 1, "repeated": 1, "timed": 2}


async def test_a_rehearsal_that_is_answered_as_before_is_no_message(api, subject):
    """Nothing was stored the first time, so nothing has come again."""
    lab, counted = await laboratory(api), Counted(Door.CSV)
    for _ in range(2):
        headers, wish = KEY | {"Content-Type": CSV_TYPE}, {"dry_run": "true"}
        answer = await lab.post(f"{BASE}/lis/csv", content=FILE, headers=headers, params=wish)
        assert answer.is_success, answer.text
    assert answer.headers["Idempotent-Replay"] == "true"
    assert counted.grown == {}


async def test_other_requests_are_no_ingest_when_they_come_again(api):
    """The door follows from the command, and other commands have none."""
    counted = [Counted(door) for door in Door]
    for _ in range(2):
        answer = await api(Role.STUDY_COORDINATOR).post("/subjects", json=SUBJECT, headers=KEY)
    assert answer.headers["Idempotent-Replay"] == "true", answer.text
    assert [each.grown for each in counted] == [{}] * len(counted)


def test_every_command_of_a_door_is_an_operation(app):
    """A command that was renamed would no longer be counted; MLLP has no commands of HTTP."""
    operations = {
        operation["operationId"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
    }
    assert DOORS.keys() <= operations
    assert set(DOORS.values()) == set(Door) - {Door.MLLP}


async def test_the_time_of_a_message_ends_with_its_commit(session):
    """What waits for the commit waits with it, whatever the door; nothing is timed before."""
    name, door = "msc_icaht_ingest_seconds", {"door": str(Door.HL7V2)}
    counted, before = Counted(Door.HL7V2), SHOWN.get_sample_value(f"{name}_sum", door)
    noted(session, Door.HL7V2, Counts(filed=1), perf_counter() - 5)
    assert counted.grown == {}
    count_ingest(session)
    assert counted.grown == {"filed": 1, "taken": 1, "timed": 1}
    assert SHOWN.get_sample_value(f"{name}_sum", door) - before == pytest.approx(5, abs=1)


async def test_the_listener_counts_connections_messages_and_what_fails(
    app, api, subject, clock, monkeypatch
):
    """MLLP: a message while connected; one that cannot be stored closes the line, uncounted."""
    await laboratory(api)
    counted, open_lines = Counted(Door.MLLP), "msc_icaht_mllp_connections"
    before = value("msc_icaht_mllp_unanswered_total")
    async with listening(app.state.database, clock) as address, connected(address) as line:
        await line.send(about(obx(PLT, "98")))
        assert value(open_lines) == 1
        grown = counted.grown
        assert (grown["taken"], grown["timed"]) == (1, 1)

        async def breaks(*_, **__):
            raise RuntimeError

        monkeypatch.setattr("app.mllp.intake.receive_er7", breaks)
        await line.put(b"\x0bMSH|^~\\&|\x1c\r")
        assert await line.silence() == b""
    assert value(open_lines) == 0
    assert value("msc_icaht_mllp_unanswered_total") == before + 1
    assert counted.grown == grown
