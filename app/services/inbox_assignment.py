"""Saying whose a result is: a person's word, never against what is known or filed already."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.errors import conflict, forbidden
from app.domain.sent_results import SentResult
from app.domain.sent_texts import said
from app.domain.sent_times import read_time
from app.models import InboxItem, Subject
from app.schemas.inbox import Assign
from app.services.history import fetch
from app.services.identifiers import record_identifier
from app.services.inbound_matching import match_subjects, patient_identifiers
from app.services.inbound_specimens import Drawn, stored_specimens
from app.services.inbox_reprocessing import ASSIGNED
from app.services.role_matrix import Area, Right
from app.services.senders import CallingSender


async def assign_subject(
    session: AsyncSession,
    caller: CallingSender,
    item: InboxItem,
    step: Assign,
    sent: SentResult,
    keyring: Keyring,
) -> list[str]:
    """Note whose the result of an item is; return the tokens that lead to the subject from now on.

    Raises forbidden for roles that do not know who subjects are, and conflict where the subject is
    another site's or the message or a filed result says that it is somebody else's.
    """
    actor = caller.actor
    _check_role(caller)
    subject = await fetch(session, Subject, actor.study_id, step.subject_id)
    if subject.site_id != caller.site_id:
        raise conflict(
            "other_site", "The sender reports on another site than the subject's; check both."
        )
    (match,) = await match_subjects(session, caller, [sent], keyring)
    if match.subject_id not in (None, subject.id):
        raise conflict(
            "subject_known",
            "The message's identifiers lead to another subject; where they are wrong, retract them"
            " first.",
        )
    await _check_specimen(session, caller, subject.id, sent)
    item.subject_id, item.resolution = subject.id, ASSIGNED
    kept = [
        await record_identifier(session, actor, subject.id, keyring, identifier)
        for identifier in (patient_identifiers(caller, sent) if step.remember else [])
    ]
    return [identifier.token for identifier, _ in kept]


def _check_role(caller: CallingSender) -> None:
    """Let only those assign who register subjects at the site, or keep their identifiers."""
    actor, site_id = caller.actor, caller.site_id
    if actor.may(Area.SCREENING, Right.UPDATE, site_id):
        return
    if not actor.may(Area.IDENTITY, Right.CREATE, site_id):
        raise forbidden(
            "role_not_allowed",
            "Your role may resolve this otherwise, but not say whose result it is; ask somebody who"
            " registers subjects.",
        )


async def _check_specimen(
    session: AsyncSession, caller: CallingSender, subject_id: UUID, sent: SentResult
) -> None:
    """Raise conflict when results of the same specimen are filed under another subject.

    The same accession number at another collection time is another specimen.
    """
    collected = read_time(sent.collected, ZoneInfo(caller.profile.time_zone))
    accession = said(sent.accession)
    if collected is None or not accession:
        return
    drawn = Drawn(subject_id, accession, collected.instant)
    stored = await stored_specimens(session, caller.actor.study_id, caller.code, [drawn])
    if stored.is_of_another(drawn):
        raise conflict(
            "specimen_of_another",
            "Results of this specimen are filed under another subject; withdraw them there first.",
        )
