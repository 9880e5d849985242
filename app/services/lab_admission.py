"""Who may send by the short way: one role of the sender, and the subjects of that role alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from app.domain.disposition import end_days
from app.domain.reported_results import LabEntry
from app.domain.vocabulary import Role
from app.services.access import Actor
from app.services.idempotency import Answer, RequestKey
from app.services.lab_intake_statements import ADMIT, BIND, ENTER
from app.services.lab_sources import OwnSource
from app.services.observations import Observable
from app.services.role_matrix import Area, Right, allows


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as the token says, and to which study."""

    issuer: str
    subject: str
    study_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One request: the results that are stored together or, here, not at all.

    With `shows_result` the answer shows the stored result, so that it needs a sender who gets no
    grades. `answer` makes the answer, which is kept under the `key` where there is one.
    """

    sender: Sender
    request_id: str
    command: str
    entries: Sequence[LabEntry]
    shows_result: bool
    key: RequestKey | None
    answer: Callable[[Stored], Answer]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a sending stores: its rows in its order, by whom and when."""

    actor: Actor
    rows: Sequence[Mapping[str, Any]]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """The role in which a sender may send, if any, of which subjects, and the database's clock."""

    actor: Actor | None
    own: OwnSource | None
    subjects: Mapping[UUID, Observable]
    sites: Collection[UUID]
    recorded_at: datetime | None


async def admit(
    connection: asyncpg.Connection, sendings: Sequence[Sending]
) -> dict[Sender, Admission]:
    """Find for each sender what it may do, and lock the subjects."""
    together: defaultdict[Sender, list[Sending]] = defaultdict(list)
    for sending in sendings:
        together[sending.sender].append(sending)
    senders = [(each.issuer, each.subject, each.study_key) for each in together]
    await connection.execute(ENTER, *map(list, zip(*senders, strict=True)))
    admitted = {}
    for sender, theirs in together.items():
        wanted = {entry.subject_id for sending in theirs for entry in sending.entries}
        latest = max(sending.now for sending in theirs)
        rows = await connection.fetch(
            ADMIT, sender.issuer, sender.subject, sender.study_key, latest, list(wanted)
        )
        admitted[sender] = _admission(sender, rows)
    sites = {site for each in admitted.values() for site in each.sites}
    await connection.execute(BIND, sorted(sites))
    return admitted


def _admission(sender: Sender, rows: Sequence[Mapping[str, Any]]) -> Admission:
    """Admit a sender in the first role that may send, to the subjects of this role alone."""
    able = [each for each in rows if allows(Role(each["role"]), Area.LABORATORY, Right.CREATE)]
    own = [each for each in able if each["role"] == able[0]["role"]]
    first = own[0] if own else None
    return Admission(
        actor=_actor(sender, first) if first and first["active"] is not False else None,
        own=_own_source(first) if first else None,
        subjects={
            row["subject_id"]: Observable(
                row["birth_year"], end_days(()), ZoneInfo(row["time_zone"])
            )
            for row in own
        },
        sites={row["site_id"] for row in own},
        recorded_at=first["recorded_at"] if first else None,
    )


def _own_source(row: Mapping[str, Any]) -> OwnSource | None:
    """Return what a laboratory system files under; other roles of a sender's identity say it."""
    if row["source"] is None or Role(row["role"]) is not Role.LABORATORY_SYSTEM:
        return None
    analytes = row["analytes"]
    return OwnSource(row["source"], None if analytes is None else frozenset(analytes))


def _actor(sender: Sender, row: Mapping[str, Any]) -> Actor:
    return Actor(
        study_id=row["study_id"],
        study_key=sender.study_key,
        time_zone=row["time_zone"],
        principal_id=row["principal_id"],
        display_name=row["display_name"],
        organisation=row["organisation"],
        role=Role(row["role"]),
        request_id="",
    )
