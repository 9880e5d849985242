"""Finding whose results a message holds, by keyed hashes only: nobody's name is ever looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import InboxReason, because
from app.domain.sent_results import SentIdentifier, SentResult
from app.domain.vocabulary import IdentifierKind
from app.models import Subject, SubjectIdentifier
from app.services.senders import CallingSender


@dataclass(frozen=True, slots=True)
class Match:
    """Whose result it is, or why nobody can tell; the tokens are kept to match again later."""

    subject_id: UUID | None
    tokens: tuple[str, ...]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class _Clues:
    """What a result says about its subject: keyed hashes, and numbers of this study."""

    tokens: tuple[str, ...]
    numbers: tuple[str, ...]


def identifier_token(keyring: Keyring, kind: IdentifierKind, site_id: UUID, value: str) -> str:
    """Return the keyed hash by which an identifier of a site is stored and matched."""
    return keyring.token(kind.value, str(site_id), value.strip()).hex()


async def match_subjects(
    session: AsyncSession, caller: CallingSender, sent: Sequence[SentResult], keyring: Keyring
) -> list[Match]:
    """Match any number of results by two queries, each to at most one subject of the site."""
    clues = [_clues(caller, each, keyring) for each in sent]
    by_token = await _by_token(session, caller, {t for each in clues for t in each.tokens})
    by_number = await _by_number(session, caller, {n for each in clues for n in each.numbers})
    return [_match(each, by_token, by_number) for each in clues]


def patient_values(caller: CallingSender, sent: SentResult) -> list[str]:
    """Return the hospital's identifiers of the patient, as far as the profile goes by them."""
    return [
        identifier.value.strip()
        for identifier in sent.patients
        if not _is_number(caller, identifier) and _accepted(caller, identifier)
    ]


def _clues(caller: CallingSender, sent: SentResult, keyring: Keyring) -> _Clues:
    tokens = [
        identifier_token(keyring, IdentifierKind.PATIENT, caller.site_id, value)
        for value in patient_values(caller, sent)
    ]
    numbers = [each.value.strip() for each in sent.patients if _is_number(caller, each)]
    if sent.accession:
        tokens.append(
            identifier_token(keyring, IdentifierKind.SPECIMEN, caller.site_id, sent.accession)
        )
    return _Clues(tuple(dict.fromkeys(tokens)), tuple(dict.fromkeys(numbers)))


def _is_number(caller: CallingSender, identifier: SentIdentifier) -> bool:
    """Tell whether an identifier is the subject's number in this study."""
    return identifier.authority == caller.actor.study_key


def _accepted(caller: CallingSender, identifier: SentIdentifier) -> bool:
    """Tell whether the profile lets this kind of identifier say who somebody is."""
    kinds = caller.profile.patient_identifier_kinds
    return bool(identifier.value.strip()) and (not kinds or identifier.kind in kinds)


async def _by_token(
    session: AsyncSession, caller: CallingSender, tokens: Collection[str]
) -> dict[str, UUID]:
    if not tokens:
        return {}
    query = select(SubjectIdentifier.token, SubjectIdentifier.subject_id).where(
        SubjectIdentifier.study_id == caller.actor.study_id,
        SubjectIdentifier.token.in_(tokens),
        SubjectIdentifier.retracted.is_(False),
    )
    return {row.token: row.subject_id for row in await session.execute(query)}


def _ids(texts: Collection[str]) -> list[UUID]:
    """Read those of the texts that are ids, written as we write them."""
    found = []
    for text in texts:
        with suppress(ValueError):
            if str(UUID(text)) == text:
                found.append(UUID(text))
    return found


async def _by_number(
    session: AsyncSession, caller: CallingSender, numbers: Collection[str]
) -> dict[str, UUID]:
    """Find subjects of the site by number, or by the id that FHIR refers to them with."""
    if not numbers:
        return {}
    query = select(Subject.number, Subject.id).where(
        Subject.study_id == caller.actor.study_id,
        Subject.site_id == caller.site_id,
        or_(Subject.number.in_(numbers), Subject.id.in_(_ids(numbers))),
    )
    found = (await session.execute(query)).all()
    return {name: row.id for row in found for name in (row.number, str(row.id))}


def _match(clues: _Clues, by_token: Mapping[str, UUID], by_number: Mapping[str, UUID]) -> Match:
    found = {by_token[token] for token in clues.tokens if token in by_token}
    found |= {by_number[number] for number in clues.numbers if number in by_number}
    if len(found) == 1:
        return Match(found.pop(), clues.tokens)
    if found:
        reason = InboxReason.AMBIGUOUS_PATIENT
    elif clues.tokens or clues.numbers:
        reason = InboxReason.UNKNOWN_PATIENT
    else:
        reason = InboxReason.PATIENT_MISSING
    return Match(None, clues.tokens, (because(reason),))
