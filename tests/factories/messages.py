"""Messages of a laboratory system over HTTP, and what waits of them in the inbox."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import text

from app.core.database import Database
from app.domain.vocabulary import Role
from tests.conftest import Api
from tests.factories.senders import BASE, bearer, create_key, create_sender, sending
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid

INBOX = f"{BASE}/lis/inbox"
RECONCILIATION = f"{BASE}/lis/reconciliation"
WHY = "The laboratory said so on the telephone."


async def laboratory(api: Api, **changes: Any) -> httpx.AsyncClient:
    """Register a sender and return its client."""
    sender = await create_sender(api, **changes)
    return sending(api, bearer((await create_key(api, sender["id"]))["key"]))


async def send(client: httpx.AsyncClient, raw: bytes) -> None:
    """Send a message that has to be acknowledged as stored."""
    headers = {"Content-Type": "application/hl7-v2"}
    answer = await client.post(f"{BASE}/lis/hl7v2", content=raw, headers=headers)
    assert answer.status_code == 200, answer.text
    assert b"MSA|AA|" in answer.content, answer.text


def of(patient: str, *results: str, control_id: str = "M-1", accession: str = "A-1") -> bytes:
    """Build a message about a patient whom the hospital calls so."""
    who = pid(patient, "HOSPITAL", "Zhang^Wei")
    return message(msh(control_id=control_id), who, obr(accession), *results)


def local(code: str = "ANC-L", value: str = "1.2", unit: str = "10*9/L", **more: Any) -> str:
    """Build an OBX under a code of the laboratory's own."""
    return obx(f"{code}^Local^L", value, unit, more.get("fields"))


def undecodable(*results: str, control_id: str = "M-1", patient: str = "S-001") -> bytes:
    """Build a message in Windows-1252 that no usual charset reads: it waits whole."""
    who, remark = pid(patient), "NTE|1||\x93 as of today \x94"
    return message(
        msh(control_id=control_id, fields={18: ""}),
        who,
        obr("A-1"),
        *results,
        remark,
        charset="latin-1",
    )


async def waiting(api: Api, **wanted: str) -> list[dict[str, Any]]:
    """List the inbox as a data manager sees it."""
    answer = await api(Role.DATA_MANAGER).get(INBOX, params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def resolve(
    api: Api, item: dict[str, Any], role: Role = Role.STUDY_COORDINATOR, **step: Any
) -> httpx.Response:
    """Resolve an item in the version that was read."""
    return await api(role).post(
        f"{INBOX}/{item['id']}/resolution",
        json={"reason": WHY} | step,
        headers={"If-Match": f'"v{item["version"]}"'},
    )


async def resolved(api: Api, item: dict[str, Any], **step: Any) -> dict[str, Any]:
    """Resolve an item; fail with the server's words."""
    answer = await resolve(api, item, **step)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def filed(database: Database) -> list[tuple[Any, ...]]:
    """List (analyte, value, status, accession) of all versions, in the order of filing."""
    query = "SELECT analyte, value, status, accession FROM lab_result ORDER BY id"
    async with database.session() as session:
        return [tuple(row) for row in await session.execute(text(query))]
